import { expect, test } from 'vitest';
import { base64Of, finishVector, rowsOf, scoreOf } from '../../src/routes/embedding-values.ts';

const vector = Float32Array.of(3, -4, 12);

test.each([
  [-1, [3, -4, 12]],
  [0, [3, -4, 12].map((value) => (value * 32_760) / 12)],
  [1, [3, -4, 12].map((value) => value / 19)],
  [2, [3, -4, 12].map((value) => value / 13)],
  [3, [3, -4, 12].map((value) => value / (27 + 64 + 1728) ** (1 / 3))],
])('norm %i', (norm, expected) => {
  for (const [index, value] of finishVector(vector, norm).entries()) expect(value).toBeCloseTo(expected[index] ?? 0, 3);
});

test('a vector that is cut is normalised after it', () => {
  expect([...finishVector(vector, 2, 2)].map((value) => value.toFixed(4))).toEqual(['0.6000', '-0.8000']);
});

test('zeros stay zeros', () => expect([...finishVector(new Float32Array(3), 2)]).toEqual([0, 0, 0]));

test('base64 is of 32-bit little-endian floats', () => {
  const bytes = Buffer.from(base64Of(vector), 'base64');
  expect([0, 1, 2].map((index) => bytes.readFloatLE(4 * index))).toEqual([3, -4, 12]);
});

test('rows of a matrix', () => {
  const rows = rowsOf(Float32Array.of(1, 2, 3, 4, 5, 6), 2);
  expect(rows.map((row) => [...row])).toEqual([
    [1, 2],
    [3, 4],
    [5, 6],
  ]);
});

test.each([
  ['a logit becomes a probability', [0], { isProbability: false, isRaw: false }, 0.5],
  ['unless it is wanted raw', [2.5], { isProbability: false, isRaw: true }, 2.5],
  ['of several outputs the first counts', [1, 1, 1, 1], { isProbability: false, isRaw: false }, 0.25],
  ['also where they are large', [1000, 0], { isProbability: false, isRaw: false }, 1],
  ['probabilities stay as they are', [0.3, 0.7], { isProbability: true, isRaw: false }, 0.3],
])('%s', (_, outputs, options, expected) => {
  expect(scoreOf(Float32Array.from(outputs), options)).toBeCloseTo(expected, 6);
});
