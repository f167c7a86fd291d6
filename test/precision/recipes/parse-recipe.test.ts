// The JSON form of recipes: what is read, and every fault at once.

import { expect, test } from 'vitest';
import { findRecipe, shippedRecipeNames } from '../../../src/precision/recipes/find-recipe.ts';
import { formatNames } from '../../../src/precision/recipes/formats.ts';
import { parseRecipe } from '../../../src/precision/recipes/parse-recipe.ts';

function faultsOf(content: unknown): readonly string[] {
  const parsed = parseRecipe(typeof content === 'string' ? content : JSON.stringify(content), 'test');
  return parsed.kind === 'faults' ? parsed.faults : [];
}

test('single values and lists mean the same', () => {
  const text = JSON.stringify({
    default: 'q4_k',
    rules: [
      { tensors: 'attn_v', layers: 3, type: 'q8_0' },
      { tensors: ['attn_v'], layers: ['3'], type: 'q8_0' },
    ],
  });
  const parsed = parseRecipe(text, 'test');
  const rule = { tensors: ['attn_v'], layers: ['3'], type: 'q8_0' };
  expect(parsed).toEqual({
    kind: 'recipe',
    recipe: { name: 'test', steps: [{ kind: 'quantize', base: { kind: 'type', type: 'q4_k' }, rules: [rule, rule] }] },
  });
});

test('all faults come at once, each with path, limit and given value', () => {
  const faults = faultsOf({
    defualt: 'q4_k',
    default: 'q4_k_m',
    rules: [
      { tensors: 'attn_v', type: 'q9' },
      { layers: ['first:0', 2], type: 'q8_0' },
      { tensors: ['/(/', 3], type: 'i32' },
      { type: 'q8_0' },
    ],
  });
  const joined = faults.join('\n');
  expect(joined).toMatch(/default must be one of f32, f16.*Given: "q4_k_m" \("q4_k_m" is a mix of llama.cpp/);
  expect(joined).toMatch(/rules\.0\.type must be one of .*Given: "q9"/);
  expect(joined).toMatch(/rules\.1\.layers must be layers such as .*Given: \["first:0",2\]/);
  expect(joined).toMatch(/rules\.2\.tensors must be a pattern.*Given: \["\/\(\/",3\]/);
  expect(joined).toMatch(/rules\.2\.tensors is no pattern.*Given: "\/\(\/"/);
  expect(joined).toMatch(/rules\.2\.type must be one of .*Given: "i32"/);
  expect(joined).toMatch(/rules\.3 must say which tensors or layers/);
  expect(joined).toMatch(/the recipe may not have "defualt"/);
});

test.each([
  ['{', /is not JSON/],
  ['[]', /the recipe must be object. Given: \[\]/],
  ['{}', /either "default".*or "mix"/],
  ['{"default":"q4_0","mix":"q4_0"}', /either "default".*or "mix"/],
  ['{"mix":"q4_k"}', /mix must be one of q6_k, q5_k_m.*Given: "q4_k"/],
  ['{"default":"q4_k","rules":{}}', /rules must be array. Given: \{\}/],
])('%s', (text, fault) => expect(faultsOf(text).join('\n')).toMatch(fault));

test('every format and every shipped recipe can be found by its name', async () => {
  expect(shippedRecipeNames()).toEqual([
    'int3-protected-edges',
    'int4',
    'int4-awq',
    'int4-protected-edges',
    'int8',
    'int8-attention-int4-ffn',
    'int8-smooth',
  ]);
  for (const name of [...formatNames, ...shippedRecipeNames()]) expect((await findRecipe(name)).name).toBe(name);
});

test('other names are refused with the near one', async () => {
  await expect(findRecipe('q4_k')).rejects.toThrow(/must be one of f32.*Given: q4_k; did you mean q4_k_/);
  await expect(findRecipe('int4-protected-edge')).rejects.toThrow(/did you mean int4-protected-edges\?/);
  await expect(findRecipe('no-such.json')).rejects.toThrow(/the recipe no-such.json cannot be read/);
});
