// An instance over a thread of the test: it ends once, however often it is told to.

import { expect, test } from 'vitest';
import { createInstance } from '../../src/grammar/threads/instance.ts';

test('its thread is ended once, though each of its grammars may ask for it', async () => {
  const ends: string[] = [];
  const instance = createInstance(
    () => ({ send: () => undefined, currentMatcher: () => 0, end: () => void ends.push('end') }),
    () => undefined,
  );
  const compiling = instance.compile(1, { kind: 'ebnf', text: 'root ::= "a"' });
  instance.end('first');
  instance.end('second');
  expect(ends).toEqual(['end']);
  expect(await compiling).toMatchObject({ kind: 'lost', reason: 'first' });
});
