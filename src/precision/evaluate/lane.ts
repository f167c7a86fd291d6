// A lane: one cell's kernel made for scoring, with its sizes chosen for throughput and bounded memory.
// Why apart from serving: scoring wants logits of hundreds of rows a step, serving of one a sequence.

import type { KvLayout } from '../../kernel-port.ts';
import type { KvTypes } from '../../kv-types.ts';
import { createKernel, type NativeKernel } from '../../llama/kernel.ts';
import type { LlamaModel } from '../../llama/model.ts';
import { createRowScorer, type RowScorer } from '../../llama/scoring/row-scorer.ts';

export interface LaneOptions {
  readonly model: LlamaModel;
  readonly kvTypes: KvTypes;
  readonly threads: number;
  readonly layout: KvLayout;
  /** Sequences at once. */
  readonly sequenceCount: number;
  /** Most tokens of one sequence. */
  readonly sequenceTokens: number;
}

export interface Lane {
  readonly kernel: NativeKernel;
  readonly sequenceCount: number;
  /** Rows with logits in one step at most. */
  readonly outputsMax: number;
  dispose(): void;
}

/** Tokens of one step; llama-perplexity's default, and enough to keep the kernels busy. */
const stepTokens = 2048;
const microBatchTokens = 512;
/** Logits of one step take at most this: 441 rows of a vocabulary of 152,064 tokens. */
const logitsBytesMax = 256 * 2 ** 20;
/** llama.cpp rounds the cells of each sequence up to this. */
const cellGrain = 256;

export async function openLane(options: LaneOptions): Promise<Lane> {
  const { model, layout, sequenceCount, sequenceTokens } = options;
  const slabTokens = Math.ceil(sequenceTokens / cellGrain) * cellGrain;
  const cellCount = slabTokens * sequenceCount;
  const batchTokensMax = Math.max(sequenceCount, Math.min(stepTokens, cellCount));
  const outputsMax = Math.max(
    sequenceCount,
    Math.min(batchTokensMax, Math.floor(logitsBytesMax / (4 * model.vocabularySize))),
  );
  const kernel = await createKernel({
    model,
    layout,
    cellCount,
    // Pooled ids go to 256 whatever this says.
    sequencesMax: layout === 'pooled' ? 1 : sequenceCount,
    batchTokensMax,
    microBatchTokens: Math.min(microBatchTokens, batchTokensMax),
    kvTypes: options.kvTypes,
    threads: options.threads,
    outputsMax,
    samplingThreads: 0,
  });
  return { kernel, sequenceCount, outputsMax, dispose: () => kernel.dispose() };
}

/** The threads that turn a lane's logits into numbers. */
export function openRowScorer(lane: Lane, threads: number): Promise<RowScorer> {
  const { vocabularySize, batchTokensMax } = lane.kernel.limits;
  return createRowScorer({ vocabularySize, rowsMax: batchTokensMax, threadCount: threads - 1 });
}
