// The search over losses that are known: where they add up, and where they do not.

import { expect, test } from 'vitest';
import type { TensorTypeName } from '../../../src/llama/tensor-types.ts';

import { searchMix, typesOf } from '../../../src/precision/recommend/search-mix.ts';
import { mixKey, type TensorGroup, type TensorTypes } from '../../../src/precision/recommend/tensor-groups.ts';

const bits = { q8_0: 8, q6_k: 6, q4_k: 4, q2_k: 2 } as const;
type Format = keyof typeof bits;
const formats: readonly Format[] = ['q8_0', 'q6_k', 'q4_k', 'q2_k'];

function group(name: string): TensorGroup {
  const choice = (label: string, type: TensorTypeName | undefined, bytes: number) => ({
    label,
    types: new Map(type === undefined ? [] : [[name, type]]),
    bytes,
  });
  const choices = [choice('as it is', undefined, 16), ...formats.map((type) => choice(type, type, bits[type]))];
  return { name, tensors: [], valueCount: 1, choices };
}

const groups = ['a', 'b', 'c', 'd', 'e'].map(group);
const weights: Readonly<Record<string, number>> = { a: 50, b: 1, c: 1.2, d: 0.9, e: 4 };

const errorOf = (name: string, types: TensorTypes): number => {
  const type = formats.find((format) => format === types.get(name));
  return type === undefined ? 0 : (weights[name] ?? 0) * 4 ** -bits[type];
};

function run(lossOf: (types: TensorTypes) => number, bytesMax: number, roundsMax = 4) {
  const asked: string[] = [];
  const found = searchMix({
    groups,
    bytesMax,
    roundsMax,
    lossOf: async (types) => {
      asked.push(mixKey(types));
      return lossOf(types);
    },
    onProgress: () => undefined,
  });
  return found.then((mix) => ({ ...mix, asked, types: typesOf(groups, mix.picks) }));
}

const sumOf = (types: TensorTypes) => groups.reduce((sum, { name }) => sum + errorOf(name, types), 0);

/** The least loss of all mixes within the budget. */
function best(lossOf: (types: TensorTypes) => number, bytesMax: number): number {
  const mixes = groups.reduce<number[][]>(
    (picks) => picks.flatMap((before) => [0, 1, 2, 3, 4].map((pick) => [...before, pick])),
    [[]],
  );
  const bytesOf = (picks: readonly number[]) =>
    picks.reduce((sum, pick, index) => sum + (groups[index]?.choices[pick]?.bytes ?? 0), 0);
  return Math.min(
    ...mixes.filter((picks) => bytesOf(picks) <= bytesMax).map((picks) => lossOf(typesOf(groups, picks))),
  );
}

test('losses that add up: the sum finds the best mix, and rounds find nothing better', async () => {
  for (const bytesMax of [12, 20, 27, 40, 60]) {
    const found = await run(sumOf, bytesMax);
    expect(found.loss).toBeCloseTo(best(sumOf, bytesMax), 12);
    expect(found.bytes).toBeLessThanOrEqual(bytesMax);
    expect(found.steps.map(({ kind }) => kind)).toEqual(['sum']);
    expect(found.sensitivities[0]).toEqual([0, ...formats.map((type) => 50 * 4 ** -bits[type])]);
  }
});

test('losses that disturb one another: measured rounds get below what the sum alone finds', async () => {
  // Errors of b and c, small alone, multiply one another.
  const entangled = (types: TensorTypes) => sumOf(types) + 300 * errorOf('b', types) * errorOf('c', types);
  const alone = await run(entangled, 16, 0);
  const refined = await run(entangled, 16);
  expect(refined.loss).toBeLessThan(alone.loss);
  expect(refined.loss).toBeCloseTo(best(entangled, 16), 12);
  expect(refined.bytes).toBeLessThanOrEqual(16);
  expect(refined.steps.map(({ loss }) => loss)).toEqual(
    refined.steps.map(({ loss }) => loss).sort((first, second) => second - first),
  );
  expect(refined.steps.at(-1)?.loss).toBe(entangled(refined.types));
});

test('the model as it is is not measured, and no mix within reach is refused', async () => {
  expect((await run(sumOf, 30, 0)).asked).not.toContain('');
  await expect(run(sumOf, 9)).rejects.toThrow(/no mix takes 9 bytes/);
});
