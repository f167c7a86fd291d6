// An instance over a thread of the test: it ends once, however often it is told to.

import { expect, test } from 'vitest';
import { createInstance } from '../../src/grammar/threads/instance.ts';

test('its thread is ended once, though each of its grammars may ask for it', async () => {
  let endCount = 0;
  const instance = createInstance(
    () => ({ send: () => undefined, currentMatcher: () => 0, end: () => void (endCount += 1) }),
    () => undefined,
  );
  const compiling = instance.compile(1, { kind: 'ebnf', text: 'root ::= "a"' });
  instance.end('first');
  instance.end('second');
  expect(endCount).toBe(1);
  expect(await compiling).toMatchObject({ kind: 'lost', reason: 'first' });
});
