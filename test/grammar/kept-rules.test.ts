// Lowered rules are kept by their text, within a length.

import { expect, test } from 'vitest';
import { must } from '../../src/assert.ts';
import { createKeptRules, type LowerRule } from '../../src/grammar/kept-rules.ts';
import { createLowerElsewhere } from '../../src/grammar/lower-elsewhere.ts';
import type { OutputRule } from '../../src/grammar/types.ts';

const rule = (text: string): OutputRule => ({ kind: 'choice', choices: [text] });

const keptRules = (lengthMax: number, lower: LowerRule): LowerRule => createKeptRules({ lengthMax, lower }).lower;

test('a rule is lowered once while there is room; the least recently used goes first', () => {
  const lowered: string[] = [];
  const lengthEach = JSON.stringify(rule('a')).length + 'root'.length;
  const lower = keptRules(2 * lengthEach, (given) => {
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
  const lower = keptRules(60, () => {
    count += 1;
    return { kind: 'refused', faults: [] };
  });
  for (const text of ['x'.repeat(100), 'x'.repeat(100), 'a', 'a']) lower(rule(text));
  expect(count).toBe(3);
});

test('what a reader lacks is lowered elsewhere, once for all who read at the same time, and is there when it reads again', async () => {
  const away: string[] = [];
  const { prepared, lower } = createKeptRules({
    lengthMax: 100,
    lower: () => {
      throw new Error('lowered on this thread');
    },
    async lowerElsewhere(given) {
      const text = given.kind === 'choice' ? given.choices.join() : given.kind;
      away.push(text);
      return { lowered: { kind: 'lowered', value: { kind: 'ebnf', text } }, isLasting: text !== 'late' };
    },
  });
  let readCount = 0;
  const read = (...texts: string[]) =>
    prepared(() => {
      readCount += 1;
      return texts.map((text) => {
        const lowered = lower(rule(text));
        return lowered.kind === 'lowered' && lowered.value.kind === 'ebnf' ? lowered.value.text : lowered.kind;
      });
    });
  expect(await Promise.all([read('a', 'b'), read('b', 'late')])).toEqual([
    ['a', 'b'],
    ['b', 'late'],
  ]);
  expect([readCount, away]).toEqual([4, ['a', 'b', 'late']]);
  expect(await read('a')).toEqual(['a']);
  expect(readCount).toBe(5);
  await read('late');
  // More than there is room for is read all the same.
  expect(await read('x'.repeat(80), 'y'.repeat(80))).toEqual(['x'.repeat(80), 'y'.repeat(80)]);
  expect(away).toEqual(['a', 'b', 'late', 'late', 'x'.repeat(80), 'y'.repeat(80)]);
  await expect(prepared(() => Promise.reject(new Error('its own')))).rejects.toThrow('its own');
  expect(() => lower(rule('z'))).toThrow('lowered on this thread');
});

test('a rule that could not be lowered elsewhere is tried again when it is asked for next', async () => {
  const outcomes = [
    Promise.reject(new Error('the thread broke')),
    Promise.resolve({ lowered: { kind: 'refused' as const, faults: [] }, isLasting: true }),
  ];
  const { prepared, lower } = createKeptRules({
    lengthMax: 100,
    lowerElsewhere: () => must(outcomes.shift(), 'two tries'),
  });
  const read = () => prepared(() => lower(rule('a')).kind);
  await expect(read()).rejects.toThrow('the thread broke');
  expect(await read()).toBe('refused');
});

test('a rule that takes too long elsewhere is refused with the limit, and holds nobody up', async () => {
  const lowerElsewhere = createLowerElsewhere({ lowerMsMax: 400 });
  const heavy = Object.fromEntries(
    Array.from({ length: 400 }, (_, at) => [`p${at}`, { type: 'string', pattern: `^[a-z]{1,${at + 900}}(x|y)$` }]),
  );
  const slow = lowerElsewhere({ kind: 'json-schema', schema: { type: 'object', properties: heavy } });
  const quick = await lowerElsewhere(rule('a'));
  expect(quick).toMatchObject({ isLasting: true, lowered: { kind: 'lowered' } });
  const why = 'must be read as a grammar within 400 ms, and took longer; a smaller one may';
  expect(await slow).toEqual({ isLasting: false, lowered: { kind: 'refused', faults: [{ path: [], rule: why }] } });
  expect(await lowerElsewhere(rule('b'))).toMatchObject({ isLasting: true });
});
