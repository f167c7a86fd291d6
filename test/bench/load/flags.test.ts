import { expect, test } from 'vitest';
import { parseFlags } from '../../../bench/flags.ts';
import { findConflicts, loadFlags, parseUsersAndTurns } from '../../../bench/load/flags.ts';

function conflictsOf(...argv: readonly string[]): string[] {
  const parsed = parseFlags(loadFlags, argv);
  if (parsed.kind !== 'flags') throw new Error(`flags must parse: ${JSON.stringify(parsed)}`);
  return findConflicts(parsed.flags);
}

test('the defaults are without conflict', () => {
  expect(conflictsOf()).toEqual([]);
});

test.each([
  [
    ['--rate', '3', '--multi-turn', '2x2'],
    'at most one of --rate, --trace, --multi-turn, --long-prompt-after. Given: --rate, --multi-turn',
  ],
  [['--prompt-kind', 'tokens'], '--vocab must be > 260 with --prompt-kind tokens. Given: 0'],
  [
    ['--prompt-kind', 'tokens', '--vocab', '500', '--api', 'chat'],
    '--prompt-kind tokens needs --api completions. Given: chat',
  ],
  [
    ['--prompt-kind', 'tokens', '--vocab', '500', '--multi-turn', '1x1'],
    '--multi-turn needs --prompt-kind text. Given: tokens',
  ],
  [['--multi-turn', '8'], '--multi-turn must look like 8x4, both at least 1. Given: 8'],
  [['--url', 'localhost:8080'], '--url must be an http or https URL. Given: localhost:8080'],
  [['--peer-url', 'ftp://x'], '--peer-url must be an http or https URL. Given: ftp://x'],
  [['--compare-schema'], '--compare-schema needs --schema. Given: none'],
  [
    ['--compare-schema', '--schema', 'a.json', '--peer-url', 'http://x'],
    '--compare-schema needs one server, and no --peer-url. Given: http://x',
  ],
  [['--name', '../x'], '--name may hold letters, digits, dot, dash and underscore. Given: ../x'],
])('%j is refused', (argv, fault) => {
  expect(conflictsOf(...argv)).toEqual([fault]);
});

test('users and turns', () => {
  expect(parseUsersAndTurns('12x3')).toEqual({ users: 12, turns: 3 });
  expect(parseUsersAndTurns('0x3')).toBeUndefined();
});
