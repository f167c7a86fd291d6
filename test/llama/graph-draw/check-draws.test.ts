// The check of a device's draws says nothing of right numbers, and names each kind of wrong one.

import { expect, test } from 'vitest';
import { must } from '../../../src/assert.ts';
import { findDifference } from '../../../src/llama/graph-draw/check-draws.ts';
import { type TriedRow, tryOnHost } from '../../../src/llama/graph-draw/walk.ts';
import { createRunSums } from '../../../src/llama/sampling/draw.ts';
import { mostLikely } from '../../../src/llama/sampling/greedy.ts';
import { greedySampling } from '../../../src/sampling-params.ts';
import { sampleRow } from '../loaded.ts';

const logits = Float32Array.from({ length: 700 }, (_, token) => 3 * Math.sin(token * 1.3));
const row = sampleRow({ batchIndex: 0, seed: 3, tokenCount: 2, sampling: { ...greedySampling, temperature: 1.5 } });
const right = must(
  tryOnHost(logits, row, { endTokenIds: [], runSums: createRunSums(logits.length) }),
  'numbers of plain logits',
);
const likeliest = mostLikely(logits);

function differenceOf(change: Partial<TriedRow>, token: number | undefined = likeliest): string | undefined {
  return findDifference(logits, { row, likeliest: token, tried: { ...right, ...change } });
}

test('right numbers differ in nothing', () => expect(differenceOf({})).toBeUndefined());

test('wrong numbers are told', () => {
  const [first, ...others] = right.tries;
  const given = must(first, 'a first try');
  const tries = (change: Partial<typeof given>) => ({ tries: [{ ...given, ...change }, ...others] });
  expect(differenceOf({}, likeliest + 1)).toMatch(/likeliest token is \d+\. Drawn/);
  expect(differenceOf({ total: right.total * 1.01 })).toMatch(/all weights/);
  expect(differenceOf({ total: Number.NaN })).toMatch(/all weights/);
  expect(differenceOf(tries({ distance: given.distance - 0.1 }))).toMatch(/from the largest/);
  expect(differenceOf(tries({ token: logits.length }))).toMatch(/from the largest/);
  expect(differenceOf(tries({ weightAbove: given.weightAbove + right.total / 100 }))).toMatch(/lies above/);
  // Another token of the same period of the sine: right in all but its place in the vocabulary.
  const far = (given.token + 350) % 700;
  const distance = (logits[far] ?? 0) - (logits[likeliest] ?? 0);
  const weightAbove = logits.reduce(
    (sum, logit) => sum + (logit > (logits[far] ?? 0) ? Math.exp(logit - (logits[likeliest] ?? 0)) : 0),
    0,
  );
  expect(differenceOf(tries({ token: far, distance, weightAbove }))).toMatch(/between the shares/);
  expect(findDifference(logits, { row, likeliest, tried: undefined })).toMatch(/without numbers/);
});

test('a largest logit that several tokens share is left to the host, and drawing it all the same is told', () => {
  const tied = Float32Array.from(logits, (logit, token) => (token % 3 === 0 ? 5 : logit));
  const tried = must(tryOnHost(tied, row, { endTokenIds: [], runSums: createRunSums(tied.length) }), 'numbers');
  expect(findDifference(tied, { row, likeliest: undefined, tried })).toBeUndefined();
  expect(findDifference(tied, { row, likeliest: 0, tried })).toMatch(/likeliest token is 0. Drawn: 0/);
});
