// What our truncation keeps is what llama.cpp's samplers keep, on the embedded model's logits and on random ones.
// llama.cpp sums in float32, so that at the edge of a share one token more or less may stay.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { LlamaModel } from '../../../src/llama/model.ts';
import type { DrawParams } from '../../../src/llama/sampling/draw.ts';
import reference from '../../fixtures/demo-model/logits.json' with { type: 'json' };
import { loadTestModel, makeKernel, step } from '../loaded.ts';
import { kept } from './kept.ts';
import { bindNativeChain, type NativeChain } from './native-chain.ts';

const none: DrawParams = { temperature: 1, topK: 0, topP: 1, minP: 0, typicalP: 1 };
const settings: [string, DrawParams][] = [
  ['top-k 40', { ...none, topK: 40 }],
  ['top-k 1', { ...none, topK: 1 }],
  ['top-p 0.95', { ...none, topP: 0.95 }],
  ['top-p 0.3', { ...none, topP: 0.3 }],
  ['min-p 0.05', { ...none, minP: 0.05 }],
  ['typical 0.9', { ...none, typicalP: 0.9 }],
  ['typical 0.2', { ...none, typicalP: 0.2 }],
  ['llama.cpp defaults', { ...none, topK: 40, topP: 0.95, minP: 0.05 }],
  ['all of them', { ...none, topK: 200, typicalP: 0.9, topP: 0.9, minP: 0.01 }],
];

let model: LlamaModel;
let chain: NativeChain;
const rows: Float32Array[] = [];

beforeAll(async () => {
  model = await loadTestModel();
  chain = bindNativeChain(model.libraries.binsDir);
  const kernel = await makeKernel(model);
  for (const [seq, { ids }] of reference.entries()) {
    rows.push(...(await step(kernel, [{ seq, from: 0, tokens: ids }])).logits);
  }
  kernel.dispose();
  for (let index = 0; index < 20; index++)
    rows.push(Float32Array.from({ length: 5000 }, (_, token) => Math.sin(token * (index + 1.7)) * (index + 1)));
});
afterAll(() => model.dispose());

describe('the tokens kept', () => {
  test.each(settings)('are those of llama.cpp: %s', (_, params) => {
    let differing = 0;
    for (const row of rows) {
      const ours = kept(row, params);
      const theirs = chain(row, params);
      expect(Math.abs(ours.length - theirs.length)).toBeLessThanOrEqual(1);
      const different = ours.filter((token) => !theirs.includes(token)).length;
      expect(different).toBeLessThanOrEqual(1);
      if (different > 0 || ours.length !== theirs.length) differing += 1;
    }
    expect(rows.length).toBe(25);
    expect(differing).toBeLessThanOrEqual(2);
  });
});
