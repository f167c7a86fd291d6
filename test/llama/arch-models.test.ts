// Models whose caches keep no complete history: a sliding window, a hybrid, a recurrent one. Their weights are random, so
// that only agreement counts: a sequence must compute the same alone and among others.

import { describe, expect, test } from 'vitest';
import type { NativeKernel } from '../../src/llama/kernel.ts';
import { prefixSharing } from '../../src/llama/model-shape.ts';
import { type ArchModel, archModelPath } from '../arch-models.ts';
import { distance, indexOfLargest, loadTestModel, makeKernel, seqs, step } from './loaded.ts';

const stepCount = 70;
const tokens = (start: number, count: number) => Array.from({ length: count }, (_, index) => (start + index * 7) % 128);

/** Greedy text of several sequences that start one after another and decode in one batch; per sequence its logits. */
async function decodeTogether(kernel: NativeKernel, prompts: readonly number[][]): Promise<Float32Array[][]> {
  const rows: Float32Array[][] = prompts.map(() => []);
  const lengths = prompts.map(() => 0);
  for (let round = 0; round < stepCount; round++) {
    // A sequence joins every third step, so that prompts are read while others decode.
    const live = prompts.map((prompt, seq) => ({ prompt, seq })).filter(({ seq }) => round >= 3 * seq);
    const runs = live.map(({ prompt, seq }) => {
      const previous = rows[seq]?.at(-1);
      const next = previous === undefined ? prompt : [indexOfLargest(previous)];
      const from = lengths[seq] ?? 0;
      lengths[seq] = from + next.length;
      return { seq, from, tokens: next };
    });
    const { outcome, logits } = await step(kernel, runs);
    expect(outcome).toEqual({ kind: 'done' });
    live.forEach(({ seq }, index) => {
      rows[seq]?.push(logits[index] as Float32Array);
    });
  }
  return rows;
}

const cases: [ArchModel, RegExp][] = [
  ['gemma3-dense', /sliding window: .* 32 tokens/],
  ['qwen35-dense', /hybrid/],
  ['mamba2-dense', /recurrent/],
];

describe.each(cases)('%s', (name, reason) => {
  test('shares no prefixes, and says why', async () => {
    const model = await loadTestModel(archModelPath(name));
    expect(prefixSharing(model.shape)).toEqual({ kind: 'none', reason: expect.stringMatching(reason) });
    model.dispose();
  });

  test.each(['pooled', 'per-sequence'] as const)('computes the same alone and among others: %s', async (layout) => {
    const model = await loadTestModel(archModelPath(name));
    const kernel = await makeKernel(model, { layout, cellCount: 2048, sequencesMax: 4 });
    expect(kernel.limits).toMatchObject({ sharesPrefixes: false, cacheSeqCount: 4 });
    const prompts = [tokens(1, 40), tokens(50, 5), tokens(90, 60)];
    const together = await decodeTogether(kernel, prompts);
    for (const seq of seqs(0, 1, 2)) kernel.truncate(seq, 0);
    const [alone] = await decodeTogether(kernel, [prompts[0] as number[]]);
    expect(together[0]?.map(indexOfLargest)).toEqual(alone?.map(indexOfLargest));
    for (const [index, row] of (together[0] ?? []).entries())
      expect(distance(row, alone?.[index] as Float32Array)).toBeLessThan(0.01);
    kernel.dispose();
    model.dispose();
  });

  test('parks and restores a whole sequence', async () => {
    const model = await loadTestModel(archModelPath(name));
    const kernel = await makeKernel(model, { layout: 'per-sequence', cellCount: 1024, sequencesMax: 4 });
    const [zero, one] = seqs(0, 1);
    if (zero === undefined || one === undefined) throw new Error('two ids are there');
    await step(kernel, [{ seq: 0, from: 0, tokens: tokens(3, 60) }]);
    expect(kernel.park(zero, 59)).toBeUndefined();
    const parked = kernel.park(zero, 60);
    const live = await step(kernel, [{ seq: 0, from: 60, tokens: [5] }]);
    if (parked === undefined) throw new Error('the sequence could not be parked');
    expect(kernel.restore(one, parked)).toBe(true);
    expect(kernel.positions(one)?.max).toBe(59);
    const restored = await step(kernel, [{ seq: 1, from: 60, tokens: [5] }]);
    expect(distance(restored.logits[0] as Float32Array, live.logits[0] as Float32Array)).toBeLessThan(1e-4);
    expect(() => kernel.copyPrefix(zero, one, 10)).toThrow(/keeps every position/);
    kernel.dispose();
    model.dispose();
  });
});
