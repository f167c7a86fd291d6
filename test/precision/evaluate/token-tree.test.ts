import fc from 'fast-check';
import { expect, test } from 'vitest';
import { sharedSeqsMax } from '../../../src/llama/native-batch.ts';
import { plantTree } from '../../../src/precision/evaluate/token-tree.ts';

const tokens = fc
  .array(fc.integer({ min: 0, max: 2 }), { minLength: 1, maxLength: 6 })
  .map((all) => Int32Array.from(all));
const sequences = fc.array(fc.tuple(tokens, tokens), { minLength: 1, maxLength: 12 });

test('what begins alike is there once', () => {
  const tree = plantTree([[Int32Array.of(5, 6), Int32Array.of(7)], [Int32Array.of(5, 6, 8)], [Int32Array.of(9)]]);
  expect([...tree.tokens]).toEqual([5, 6, 7, 8, 9]);
  expect([...tree.positions]).toEqual([0, 1, 2, 2, 0]);
  expect(tree.runs).toEqual([
    { from: 0, to: 2, paths: [0, 1] },
    { from: 2, to: 3, paths: [0] },
    { from: 3, to: 4, paths: [1] },
    { from: 4, to: 5, paths: [2] },
  ]);
});

test('every path spells its sequence, parents come first, and nodes are the distinct beginnings', () => {
  fc.assert(
    fc.property(sequences, (all) => {
      const tree = plantTree(all);
      const beginnings = new Set<string>();
      all.forEach((parts, index) => {
        const sequence = parts.flatMap((part) => [...part]);
        const path = [...(tree.paths[index] ?? [])];
        expect(path.map((node) => tree.tokens[node])).toEqual(sequence);
        expect(path.map((node) => tree.positions[node])).toEqual(sequence.map((_, position) => position));
        expect(path).toEqual([...path].sort((a, b) => a - b));
        sequence.forEach((_, position) => {
          beginnings.add(sequence.slice(0, position + 1).join());
        });
      });
      expect(tree.tokens).toHaveLength(beginnings.size);
    }),
  );
});

test('runs cover every node once with exactly the paths through it, and list no more than a batch holds', () => {
  fc.assert(
    fc.property(sequences, (all) => {
      const { tokens: nodes, paths, runs } = plantTree(all);
      const found = runs.flatMap(({ from, to, paths: own }) => Array.from({ length: to - from }, () => own));
      const through = Array.from(nodes, (_, node) =>
        paths.flatMap((path, index) => (path.includes(node) ? [index] : [])),
      );
      expect(found).toEqual(through);
      expect(runs.reduce((sum, { paths: own }) => sum + own.length, 0)).toBeLessThanOrEqual(
        (all.length * (all.length + 3)) / 2,
      );
    }),
  );
  // The tree that lists the most: a stem that 256 leaves leave one after another.
  const stem = Array.from({ length: 256 }, (_, length) => [
    Int32Array.from({ length: length + 1 }, (_, at) => (at === length ? 1 : 0)),
  ]);
  expect(plantTree(stem).runs.reduce((sum, { paths }) => sum + paths.length, 0)).toBeLessThanOrEqual(sharedSeqsMax);
});
