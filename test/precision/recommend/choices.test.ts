// What may be chosen and what it takes: groups, budgets, and the recipe that a choice becomes.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { tensorBytes } from '../../../src/llama/tensor-types.ts';
import type { GgufTensor } from '../../../src/precision/gguf/parse.ts';
import { parseRecipe } from '../../../src/precision/recipes/parse-recipe.ts';
import { planTensor, resolveStep, summed } from '../../../src/precision/recipes/resolve.ts';
import { groupBytesMax, parseBudget } from '../../../src/precision/recommend/budget.ts';
import { recipeText } from '../../../src/precision/recommend/recipe-text.ts';
import { type Grouping, groupTensors } from '../../../src/precision/recommend/tensor-groups.ts';
import { parseByteSize } from '../../../src/server/settings-forms.ts';

function tensor(name: string, shape: readonly number[], type: GgufTensor['type'] = 'f16'): GgufTensor {
  return { name, shape, type, offset: 0, bytes: tensorBytes(type, shape) };
}

/** Three layers with experts, whose names begin like those of plain parts; rows of 64 fit no format of 256. */
const tensors: readonly GgufTensor[] = [
  tensor('token_embd.weight', [512, 100]),
  tensor('output_norm.weight', [512], 'f32'),
  ...[0, 1, 2].flatMap((layer) => [
    tensor(`blk.${layer}.attn_norm.weight`, [512], 'f32'),
    tensor(`blk.${layer}.attn_q.weight`, [512, 512]),
    tensor(`blk.${layer}.ffn_down.weight`, [768, 512]),
    tensor(`blk.${layer}.ffn_down_exps.weight`, [768, 512, 4]),
    tensor(`blk.${layer}.ffn_up.weight`, [64, 300]),
  ]),
];
const formats = ['q8_0', 'q6_k', 'q4_k', 'q2_k'] as const;
const groupsOf = (grouping: Grouping, fixed = new Map()) => groupTensors(tensors, { grouping, formats, fixed });

describe('groups', () => {
  test('are the parts of each layer, parts over all layers, or layers; norms are in none', () => {
    expect(groupsOf('tensor').map(({ name }) => name)).toHaveLength(13);
    expect(groupsOf('tensor')[1]?.name).toBe('blk.0.attn_q');
    expect(groupsOf('kind').map(({ name }) => name)).toEqual([
      'token_embd',
      'attn_q',
      'ffn_down',
      'ffn_down_exps',
      'ffn_up',
    ]);
    expect(groupsOf('layer').map(({ name }) => name)).toEqual(['token_embd', 'blk.0', 'blk.1', 'blk.2']);
  });

  test('choose from what their rows allow, each format once, from the most bytes to the fewest', () => {
    const [, query] = groupsOf('tensor');
    expect(query?.choices.map(({ label }) => label)).toEqual(['as it is', 'q8_0', 'q6_k', 'q4_k', 'q2_k']);
    expect(query?.choices[3]?.bytes).toBe((512 * 512 * 144) / 256);
    const up = groupsOf('kind').find(({ name }) => name === 'ffn_up');
    // q6_k comes down to q8_0, q2_k to q4_0, which is smaller than q4_k's q5_0.
    expect(up?.choices.map(({ types }) => [...types.values()][0])).toEqual([undefined, 'q8_0', 'q5_0', 'q4_0']);
  });

  test('settled tensors are groups of their own with one choice', () => {
    const groups = groupsOf('layer', new Map([['blk.1.attn_q.weight', 'q8_0']]));
    const settled = groups.find(({ name }) => name === 'blk.1.attn_q');
    expect(settled?.choices.map(({ label }) => label)).toEqual(['q8_0']);
    expect(groups.find(({ name }) => name === 'blk.1')?.tensors).toHaveLength(3);
  });
});

test('a choice of formats comes back from its recipe, whatever it is', () => {
  const matrices = groupsOf('tensor').flatMap((group) => group.tensors);
  const choices = fc.tuple(...matrices.map(() => fc.constantFrom('f16', 'q8_0', 'q6_k', 'q4_k', 'q2_k', 'iq4_xs')));
  fc.assert(
    fc.property(choices, (types) => {
      const planned = matrices.map((each, index) => planTensor(each, types[index] ?? 'f16'));
      const parsed = parseRecipe(recipeText({ description: 'chosen', steps: [], tensors: planned }), 'chosen');
      if (parsed.kind === 'faults') throw new Error(parsed.faults.join());
      const step = parsed.recipe.steps.at(-1);
      if (step?.kind !== 'quantize') throw new Error('the recipe quantizes');
      const resolved = resolveStep(tensors, step);
      if (resolved.kind === 'faults') throw new Error(resolved.faults.join());
      const found = new Map(resolved.plan.tensors.map(({ name, to }) => [name, to]));
      expect(planned.map(({ name }) => found.get(name))).toEqual(planned.map(({ to }) => to));
      expect(found.get('output_norm.weight')).toBe('f32');
    }),
    { numRuns: 200 },
  );
});

describe('budgets', () => {
  const groups = groupsOf('tensor');
  const plan = summed(tensors.map((each) => planTensor(each, each.type)));
  const frame = { groups, plan, overheadBytes: 1000 };
  const sum = (choice: (count: number) => number) =>
    groups.reduce((total, { choices }) => total + (choices[choice(choices.length)]?.bytes ?? 0), 0);
  const [least, most] = [sum((count) => count - 1), sum(() => 0)];

  test('are sizes, bits a weight, or what a format takes', () => {
    expect(parseBudget('8MiB', parseByteSize)).toEqual({ kind: 'file', bytes: 8 * 2 ** 20 });
    expect(parseBudget(' 4.5 bpw', parseByteSize)).toEqual({ kind: 'bits', bitsPerWeight: 4.5 });
    expect(parseBudget('q5_k_m', parseByteSize)).toEqual({ kind: 'like', name: 'q5_k_m' });
    expect(() => parseBudget('-3', parseByteSize)).toThrow(/8MiB.*5bpw.*Given: -3/);
  });

  test('leave out what is not chosen: metadata and norms', () => {
    expect(groupBytesMax({ kind: 'file', bytes: least + 1000 }, frame)).toBe(least);
    expect(groupBytesMax({ kind: 'file', bytes: least + 5000 }, frame)).toBe(least + 4000);
    const norms = plan.bytes - most;
    const bits = (8 * (least + 5000 + norms)) / plan.valueCount;
    expect(Math.abs(groupBytesMax({ kind: 'bits', bitsPerWeight: bits }, frame) - (least + 5000))).toBeLessThan(2);
  });

  test('that nothing fits, or that everything fits, are refused with both limits', () => {
    const limits = new RegExp(
      `at least ${(least + 1000).toLocaleString('en-US')} bytes .* below ${(most + 1000).toLocaleString('en-US')} bytes`,
    );
    expect(() => groupBytesMax({ kind: 'file', bytes: least + 999 }, frame)).toThrow(limits);
    expect(() => groupBytesMax({ kind: 'file', bytes: most + 1000 }, frame)).toThrow(limits);
    expect(() => groupBytesMax({ kind: 'bits', bitsPerWeight: 1 }, frame)).toThrow(/bpw.*bpw.*Given: 1\.000 bpw/);
    expect(() => groupBytesMax({ kind: 'bits', bitsPerWeight: 17 }, frame)).toThrow(/Given: 17\.000 bpw/);
  });
});
