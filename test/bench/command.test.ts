// A command ends where it was asked for help or told nonsense, and says so; else it has its flags.

import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { startCommand } from '../../bench/command.ts';
import { countFlag, resultsFlags } from '../../bench/flags.ts';

const shape = {
  title: 'a title',
  flags: { count: countFlag(4, { min: 1, max: 9 }, 'how many'), ...resultsFlags('x') },
};
const findFaults = ({ count }: { readonly count: number }) => (count === 7 ? ['not seven'] : []);

const printed: string[] = [];
beforeEach(() => {
  vi.spyOn(console, 'log').mockImplementation((text) => void printed.push(`out: ${text}`));
  vi.spyOn(console, 'error').mockImplementation((text) => void printed.push(`err: ${text}`));
});
afterEach(() => {
  printed.length = 0;
  vi.restoreAllMocks();
});

test('flags are read, with their defaults', () => {
  expect(startCommand({ ...shape, findFaults }, ['--count', '5'])).toEqual({
    kind: 'flags',
    flags: { count: 5, name: 'x', resultsDirectory: 'bench/results', noResults: false },
  });
  expect(printed).toEqual([]);
});

test('help is the title and the flags, and no failure', () => {
  expect(startCommand(shape, ['--help'])).toEqual({ kind: 'ended', status: 0 });
  expect(printed).toEqual([expect.stringMatching(/^out: a title\n\n {2}--count N/)]);
});

test.each([
  [['--count', '10', '--what'], 'err: unknown flag. Given: --what\n--count must be <= 9. Given: 10'],
  [['--count', '7'], 'err: not seven'],
])('%j ends with every fault', (argv, text) => {
  expect(startCommand({ ...shape, findFaults }, argv)).toEqual({ kind: 'ended', status: 2 });
  expect(printed).toEqual([text]);
});
