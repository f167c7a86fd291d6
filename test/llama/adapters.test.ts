// LoRA adapters natively: an adapter computes what a model computes that has the change in its weights.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadAdapters } from '../../src/llama/adapters.ts';
import type { NativeKernel } from '../../src/llama/kernel.ts';
import type { LlamaModel } from '../../src/llama/model.ts';
import { randomChanges, writeAdapter, writeMergedModel } from '../adapter-files.ts';
import {
  demoModelPath,
  distance,
  indexOfLargest,
  loadTestModel,
  makeKernel,
  seqs,
  someTokens,
  step,
} from './loaded.ts';

const folder = mkdtempSync(join(tmpdir(), 'octet-adapters-'));
const file = (name: string): string => join(folder, `${name}.gguf`);
const targets = ['blk.1.ffn_down.weight', 'blk.2.attn_q.weight', 'blk.4.attn_v.weight', 'blk.5.ffn_up.weight'];
const prompt = someTokens(24);

const models: LlamaModel[] = [];
const kernels: NativeKernel[] = [];
let kernel: NativeKernel;
let merged: NativeKernel;

beforeAll(async () => {
  const changes = await randomChanges(demoModelPath, targets, { seed: 3, size: 0.1 });
  await writeAdapter(file('zero'), await randomChanges(demoModelPath, targets, { seed: 3, size: 0 }));
  await writeAdapter(file('change'), changes, { alpha: 4 });
  await writeMergedModel(file('merged'), demoModelPath, { changes, scale: 2 });
  const model = await loadTestModel();
  const adapters = await loadAdapters(model, [
    { name: 'zero', path: file('zero'), scale: 1 },
    { name: 'change', path: file('change'), scale: 0.5 },
  ]);
  const mergedModel = await loadTestModel(file('merged'));
  models.push(model, mergedModel);
  kernel = await makeKernel(model, { adapters });
  merged = await makeKernel(mergedModel);
  kernels.push(kernel, merged);
});
afterAll(() => {
  for (const { dispose } of [...kernels, ...models]) dispose();
  rmSync(folder, { recursive: true, force: true });
});

/** The logits after the prompt, computed in a sequence of its own. */
async function logitsOf(subject: NativeKernel, adapter: string | undefined, seq: number): Promise<Float32Array> {
  subject.useAdapter(adapter);
  const { logits } = await step(subject, [{ seq, from: 0, tokens: prompt }]);
  return logits[0] ?? new Float32Array(0);
}

describe('adapters', () => {
  it('compute what weights with the change in them compute, and one that changes nothing what the model does', async () => {
    const base = await logitsOf(kernel, undefined, 0);
    const changed = await logitsOf(kernel, 'change', 1);
    const wanted = await logitsOf(merged, undefined, 0);
    expect(await logitsOf(kernel, 'zero', 2)).toEqual(base);
    expect(await logitsOf(kernel, undefined, 3)).toEqual(base);
    expect(distance(base, wanted)).toBeGreaterThan(1);
    expect(distance(changed, wanted)).toBeLessThan(0.02 * distance(base, wanted));
    expect(indexOfLargest(changed)).toBe(indexOfLargest(wanted));
    for (const seq of seqs(0, 1, 2, 3)) kernel.truncate(seq, 0);
  });

  it('are changed from step to step, each sequence as if it were alone', async () => {
    const names = [undefined, 'change', 'zero'];
    const decode = async (turns: readonly number[]): Promise<Float32Array[]> => {
      const last: Float32Array[] = [];
      for (const [index, turn] of turns.entries()) {
        kernel.useAdapter(names[turn]);
        const from = turns.slice(0, index).filter((earlier) => earlier === turn).length;
        const token = prompt[from] ?? 0;
        last[turn] = (await step(kernel, [{ seq: turn, from, tokens: [token] }])).logits[0] ?? new Float32Array(0);
      }
      for (const seq of seqs(0, 1, 2)) kernel.truncate(seq, 0);
      return last;
    };
    const alternating = await decode([0, 1, 2, 0, 1, 2, 2, 1, 0]);
    const inTurn = await decode([0, 0, 0, 1, 1, 1, 2, 2, 2]);
    for (const turn of [0, 1, 2])
      expect(distance(alternating[turn] ?? new Float32Array(0), inTurn[turn] ?? new Float32Array(1))).toBe(0);
    expect(alternating[2]).toEqual(alternating[0]);
    expect(distance(alternating[1] ?? new Float32Array(0), alternating[0] ?? new Float32Array(0))).toBeGreaterThan(0.5);
  });

  it('that are none, or unknown, are errors that say so', async () => {
    const [model] = models;
    if (model === undefined) throw new Error('a model was loaded');
    await expect(loadAdapters(model, [{ name: 'x', path: demoModelPath, scale: 1 }])).rejects.toThrow(
      /cannot load the adapter x \(.*octet-demo-f16\.gguf\): .*expect general\.type to be 'adapter'/,
    );
    expect(() => kernel.useAdapter('nobody')).toThrow('nobody');
    expect(() => merged.useAdapter('change')).toThrow('change');
  });
});
