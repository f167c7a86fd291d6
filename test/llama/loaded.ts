// The embedded model, loaded for tests, and short ways to run tokens through a kernel.

import { fileURLToPath } from 'node:url';
import { type CacheSeqId, cacheSeqId } from '../../src/ids.ts';
import type { DecodeOutcome, SampleRow } from '../../src/kernel-port.ts';
import { createKernel, type KernelOptions, type NativeKernel } from '../../src/llama/kernel.ts';
import { type Libraries, loadLibraries } from '../../src/llama/libraries.ts';
import { type LlamaModel, loadModel } from '../../src/llama/model.ts';
import { greedySampling } from '../../src/sampling-params.ts';

export const demoModelPath = fileURLToPath(new URL('../../models/octet-demo-f16.gguf', import.meta.url));

export function loadForTests(): Libraries {
  return loadLibraries({ gpu: 'off', log: () => undefined });
}

export function loadTestModel(
  path = demoModelPath,
  load: 'weights' | 'vocabulary' | 'measure' = 'weights',
): Promise<LlamaModel> {
  return loadModel({ libraries: loadForTests(), path, load, gpuLayers: 0 });
}

export function makeKernel(model: LlamaModel, options: Partial<KernelOptions> = {}): Promise<NativeKernel> {
  return createKernel({
    model,
    layout: 'pooled',
    cellCount: 1024,
    sequencesMax: 8,
    batchTokensMax: 256,
    microBatchTokens: 256,
    kvTypes: { k: 'f16', v: 'f16' },
    // One thread: two of them waiting for each other on a busy machine take a hundred times longer.
    threads: 1,
    samplingThreads: 0,
    ...options,
  });
}

/** One run of tokens of a sequence in a batch; the last one gets logits. */
export interface Run {
  readonly seq: number;
  readonly from: number;
  readonly tokens: readonly number[];
}

/** Decodes runs in one step; answers the outcome and, per run, a copy of the last token's logits. */
export async function step(
  kernel: NativeKernel,
  runs: readonly Run[],
): Promise<{ outcome: DecodeOutcome; logits: Float32Array[] }> {
  const { batch } = kernel;
  const last: number[] = [];
  let row = 0;
  for (const { seq, from, tokens } of runs) {
    tokens.forEach((token, index) => {
      batch.tokens[row] = token;
      batch.positions[row] = from + index;
      batch.cacheSeqs[row] = seq;
      batch.outputs[row] = index === tokens.length - 1 ? 1 : 0;
      row += 1;
    });
    last.push(row - 1);
  }
  const outcome = await kernel.decode(row);
  return { outcome, logits: outcome.kind === 'done' ? last.map((index) => kernel.logitsOf(index).slice()) : [] };
}

export const seqs = (...ids: number[]): CacheSeqId[] => ids.map(cacheSeqId);

export function sampleRow(row: Partial<SampleRow> & { readonly batchIndex: number }): SampleRow {
  return {
    sampling: greedySampling,
    seed: 1,
    tokens: new Int32Array(0),
    tokenCount: 0,
    generatedCount: 0,
    ignoreEos: false,
    ...row,
  };
}

export function indexOfLargest(logits: Float32Array): number {
  return logits.indexOf(logits.reduce((largest, logit) => Math.max(largest, logit)));
}

/** The largest difference between two rows of logits. */
export function distance(a: Float32Array, b: Float32Array): number {
  return a.reduce((largest, logit, index) => Math.max(largest, Math.abs(logit - (b[index] ?? Number.NaN))), 0);
}

/** Tokens that a test feeds in: in range, different, and the same on every run. */
export function someTokens(count: number, start = 300): number[] {
  return Array.from({ length: count }, (_, index) => start + ((index * 37) % 3000));
}
