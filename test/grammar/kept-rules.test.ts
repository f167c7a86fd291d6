// Lowered rules are kept by their text, within a length.

import { expect, test } from 'vitest';
import { createKeptRules } from '../../src/grammar/kept-rules.ts';
import type { OutputRule } from '../../src/grammar/types.ts';

const rule = (text: string): OutputRule => ({ kind: 'choice', choices: [text] });

test('a rule is lowered once while there is room; the least recently used goes first', () => {
  const lowered: string[] = [];
  const lengthEach = JSON.stringify(rule('a')).length + 'root'.length;
  const lower = createKeptRules(2 * lengthEach, (given) => {
    lowered.push(given.kind === 'choice' ? given.choices.join() : given.kind);
    return { kind: 'lowered', value: { kind: 'ebnf', text: 'root' } };
  });
  for (const text of ['a', 'b', 'a', 'c', 'a', 'b']) {
    expect(lower(rule(text))).toEqual({ kind: 'lowered', value: { kind: 'ebnf', text: 'root' } });
  }
  expect(lowered).toEqual(['a', 'b', 'c', 'b']);
});

test('what is longer than the room is lowered each time, and keeps nothing out afterwards', () => {
  let count = 0;
  const lower = createKeptRules(60, () => {
    count += 1;
    return { kind: 'refused', faults: [] };
  });
  for (const text of ['x'.repeat(100), 'x'.repeat(100), 'a', 'a']) lower(rule(text));
  expect(count).toBe(3);
});
