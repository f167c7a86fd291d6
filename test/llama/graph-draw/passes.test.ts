// The passes of a step: by the examples that llama.cpp was seen to compute, and laws that any cut must keep.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type PassRules, passesOf } from '../../../src/llama/graph-draw/passes.ts';

/** Runs as pairs of sequence id and row count. */
function passes(runs: readonly (readonly [seq: number, count: number])[], rules: PassRules): number[][] {
  const cacheSeqs = Int32Array.from(runs.flatMap(([seq, count]) => new Array<number>(count).fill(seq)));
  return passesOf({ cacheSeqs }, cacheSeqs.length, rules);
}

const slabs: PassRules = { layout: 'per-sequence', microBatchTokens: 8 };

test('a pool is cut by rows alone', () => {
  expect(
    passes(
      [
        [3, 2],
        [0, 3],
      ],
      { layout: 'pooled', microBatchTokens: 4 },
    ),
  ).toEqual([[0, 1, 2, 3], [4]]);
});

test.each([
  [
    'consecutive ids decode together',
    [
      [0, 1],
      [1, 1],
      [2, 1],
    ],
    [[0, 1, 2]],
  ],
  [
    'a gap between ids begins another pass',
    [
      [0, 1],
      [2, 1],
    ],
    [[0], [1]],
  ],
  [
    'a prompt under a higher id before the others is read first',
    [
      [5, 3],
      [0, 1],
      [1, 1],
    ],
    [
      [0, 1, 2],
      [3, 4],
    ],
  ],
  [
    'a prompt between the others gives its first row to their pass',
    [
      [0, 1],
      [1, 3],
      [2, 1],
    ],
    [
      [0, 1, 4],
      [2, 3],
    ],
  ],
  [
    'a longer prompt is cut',
    [[4, 11]],
    [
      [0, 1, 2, 3, 4, 5, 6, 7],
      [8, 9, 10],
    ],
  ],
  [
    'equal runs take equal parts of a pass',
    [
      [0, 3],
      [1, 3],
      [2, 3],
    ],
    [
      [0, 1, 3, 4, 6, 7],
      [2, 5, 8],
    ],
  ],
] as const)('%s', (_, runs, expected) => {
  expect(passes(runs, slabs)).toEqual(expected);
});

test('every row is in one pass, in order within its sequence, and no pass is too long', () => {
  const runs = fc
    .uniqueArray(fc.nat(12), { minLength: 1, maxLength: 8 })
    .chain((seqs) => fc.tuple(...seqs.map((seq) => fc.tuple(fc.constant(seq), fc.integer({ min: 1, max: 9 })))));
  const layouts = fc.constantFrom('pooled' as const, 'per-sequence' as const);
  fc.assert(
    fc.property(runs, layouts, fc.integer({ min: 8, max: 20 }), (given, layout, microBatchTokens) => {
      const found = passes(given, { layout, microBatchTokens });
      const rows = found.flat();
      expect([...rows].sort((a, b) => a - b)).toEqual(rows.map((_, index) => index));
      expect(Math.max(...found.map(({ length }) => length))).toBeLessThanOrEqual(microBatchTokens);
      const seqOf = given.flatMap(([seq, count]) => new Array<number>(count).fill(seq));
      for (const [seq] of given) {
        const own = rows.filter((row) => seqOf[row] === seq);
        expect(own).toEqual([...own].sort((a, b) => a - b));
      }
    }),
    { numRuns: 200 },
  );
});
