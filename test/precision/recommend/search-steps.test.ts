// Steps before formats, over losses that are known: when one is taken, for which formats its scales are chosen, and what it may cost.

import { expect, test } from 'vitest';
import { groupKinds, type ScalingStep } from '../../../src/precision/recipes/recipe.ts';
import type { MovedScales } from '../../../src/precision/recommend/moved-scales.ts';
import { typesOf } from '../../../src/precision/recommend/search-mix.ts';
import { searchWithSteps } from '../../../src/precision/recommend/search-steps.ts';
import { mixKey, type TensorGroup, type TensorTypes } from '../../../src/precision/recommend/tensor-groups.ts';

const bits = { q8_0: 8, q6_k: 6, q5_k: 5, q4_k: 4, q3_k: 3, q2_k: 2 } as const;
type Format = keyof typeof bits;
const formats: readonly Format[] = ['q8_0', 'q6_k', 'q5_k', 'q4_k', 'q3_k', 'q2_k'];

function group(name: string): TensorGroup {
  const choices = formats.map((type) => ({ label: type, types: new Map([[name, type]]), bytes: bits[type] }));
  return {
    name,
    tensors: [],
    valueCount: 1,
    choices: [{ label: 'as it is', types: new Map(), bytes: 16 }, ...choices],
  };
}

const groups = ['a', 'b', 'c'].map(group);
const common = { groups: groupKinds, statistics: undefined, activations: 'rms' } as const;
const smooth: ScalingStep = { kind: 'smooth', strength: 0.5, ...common };
const awq: ScalingStep = { kind: 'awq', ...common };

type Weights = Readonly<Record<'a' | 'b' | 'c', number>>;
const outlier: Weights = { a: 1000, b: 1.2, c: 1 };
const even: Weights = { a: 2, b: 1.2, c: 1 };

function errorOf(types: TensorTypes, weights: Weights): number {
  return (['a', 'b', 'c'] as const).reduce((sum, name) => {
    const type = formats.find((format) => format === types.get(name));
    return sum + (type === undefined ? 0 : weights[name] * 4 ** -bits[type]);
  }, 0);
}

interface Given {
  readonly lossBehind: (types: TensorTypes, moved: MovedScales) => number;
  readonly steps?: readonly ScalingStep[];
  /** Bytes that the note of a step takes. */
  readonly noteBytes?: number;
  readonly bytesMax?: number;
  readonly roundsMax?: number;
}

async function run({ lossBehind, steps = [smooth, awq], noteBytes = 0, bytesMax = 15, roundsMax = 2 }: Given) {
  const asked: string[] = [];
  const frame = { bytesMax: bytesMax - noteBytes, overheadBytes: 100 + noteBytes };
  const found = await searchWithSteps({
    search: {
      groups,
      bytesMax,
      overheadBytes: 100,
      candidates: steps.map((step) => ({ step, frame })),
    },
    roundsMax,
    bench: {
      lossOf: async (types, moved) => {
        asked.push(mixKey(types));
        return moved === undefined ? errorOf(types, outlier) : lossBehind(types, moved);
      },
      statistics: async () => 'statistics.gguf',
      onProgress: () => undefined,
    },
  });
  return { found, types: mixKey(typesOf(found.groups, found.mix.picks)), asked };
}

const kindOf = ({ steps }: MovedScales) => steps[0]?.kind;

test('the step behind which the whole mix loses least is taken, and the formats are chosen anew behind it', async () => {
  const { found, types } = await run({
    lossBehind: (mix, moved) => (kindOf(moved) === 'smooth' ? errorOf(mix, even) : errorOf(mix, outlier) * 0.9),
  });
  expect(found.steps).toEqual([{ ...smooth, statistics: 'statistics.gguf' }]);
  expect(found.tried.map(({ label }) => label)).toEqual(['none', 'smooth 0.5', 'awq']);
  // Without the outlier, a needs no more than the others.
  expect(types).toBe('a=q5_k b=q5_k c=q5_k');
  expect(found.mix.loss).toBeCloseTo(4.2 * 4 ** -5, 12);
});

test('no step is taken where none lowers the loss of the mix', async () => {
  const { found, types } = await run({ lossBehind: (mix) => errorOf(mix, outlier) * 1.01 });
  expect(found.steps).toEqual([]);
  expect(types).toBe('a=q8_0 b=q4_k c=q3_k');
  expect(found.tried.map(({ loss }) => loss)).toEqual([found.mix.loss, found.mix.loss * 1.01, found.mix.loss * 1.01]);
});

test('scales of awq are those for the formats that were found; if they are worse, the first mix stays', async () => {
  const chosenFor: string[] = [];
  const { found, types } = await run({
    steps: [awq],
    lossBehind(mix, moved) {
      chosenFor.push(mixKey(moved.types));
      const isOwn = mixKey(mix) === mixKey(moved.types);
      return isOwn && mixKey(mix) !== 'a=q8_0 b=q4_k c=q3_k' ? 1 : errorOf(mix, even);
    },
  });
  expect(new Set(chosenFor)).toEqual(new Set(['a=q8_0 b=q4_k c=q3_k', 'a=q5_k b=q5_k c=q5_k']));
  expect(types).toBe('a=q8_0 b=q4_k c=q3_k');
  expect(found.steps).toHaveLength(1);
  expect(found.mix.loss).toBe(errorOf(typesOf(found.groups, found.mix.picks), even));
  expect(found.mix.bytes).toBe(15);
});

test('what moving scales loses by itself is no reason to leave a group as it is', async () => {
  const { types } = await run({
    lossBehind: (mix) => 0.0009 + errorOf(mix, even) / 4,
    bytesMax: 27,
    roundsMax: 0,
  });
  expect(types).toBe('a=q8_0 b=q8_0 c=q8_0');
});

test('what a file says about the step is paid out of the budget', async () => {
  const { found, types } = await run({ lossBehind: (mix) => errorOf(mix, even), noteBytes: 1 });
  expect(types).toBe('a=q5_k b=q5_k c=q4_k');
  expect(found.mix.bytes + found.overheadBytes).toBe(115);
});
