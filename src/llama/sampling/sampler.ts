// Draws the tokens of one step: adjusts each row's logits, then draws the rows, on several threads when that pays.
// Why by estimated work: waking threads costs 50 microseconds and more; on two cores they paid from about 1 ms of work on.

import type { TokenId } from '../../ids.ts';
import type { SampleRow } from '../../kernel-port.ts';
import type { RowsView } from '../decoded-rows.ts';
import { adjustLogits, needsAdjusting } from './adjust.ts';
import { createDrawMemory, drawToken } from './draw.ts';
import { applyMask } from './mask.ts';
import { maskOf, roundRowsMax, writeRow } from './shared-rows.ts';
import { type SamplingThreads, startSamplingThreads } from './thread-pool.ts';

export interface SamplerOptions {
  readonly logits: RowsView;
  readonly endTokenIds: readonly TokenId[];
  /** Threads besides the caller's. */
  readonly threadCount: number;
}

/** `drawPosition`: where the random number comes from, where that is not the count of tokens. */
export type RowToDraw = SampleRow & { readonly drawPosition?: number };

export interface Sampler {
  /** Draws one token per row from the last decode's logits, which it changes; -1 where none is possible. Shape (rows.length,). */
  sample(rows: readonly RowToDraw[]): Int32Array;
  /** Threads that really run. */
  readonly threadCount: number;
  dispose(): void;
}

/** Estimated work of a step from which threads are faster than this thread alone. */
const parallelMsMin = 1;
const patienceMsMin = 0.05;

export async function createSampler({ logits, endTokenIds, threadCount }: SamplerOptions): Promise<Sampler> {
  const { vocabularySize } = logits;
  const memory = createDrawMemory(vocabularySize);
  const adjustMemory = { counts: new Int32Array(vocabularySize), endTokenIds };
  const threads = await startSamplingThreads(threadCount, vocabularySize);

  function drawHere(rows: readonly RowToDraw[]): Int32Array {
    const drawn = new Int32Array(rows.length);
    rows.forEach(({ batchIndex, sampling, seed, tokenCount, drawPosition = tokenCount, mask }, index) => {
      const values = logits.row(logits.rowOf(batchIndex));
      if (mask !== undefined) applyMask(values, mask);
      drawn[index] = drawToken(values, sampling, { seed, position: drawPosition }, memory);
    });
    return drawn;
  }

  function drawOnThreads(
    { shared, drawRound }: SamplingThreads,
    rows: readonly RowToDraw[],
    rowMs: number,
  ): Int32Array {
    rows.forEach(({ batchIndex, sampling, seed, tokenCount, drawPosition = tokenCount, mask }, index) => {
      if (mask !== undefined) maskOf(shared, index).set(mask);
      const logitsRow = logits.rowOf(batchIndex);
      writeRow(shared, index, { ...sampling, logitsRow, seed, position: drawPosition, isMasked: mask !== undefined });
    });
    drawRound({
      count: rows.length,
      address: logits.address(),
      logitsRowCount: logits.values().length / vocabularySize,
      patienceMs: Math.max(patienceMsMin, 2 * rowMs),
      logitsOf: logits.row,
      memory,
    });
    return shared.results.slice(0, rows.length);
  }

  function draw(rows: readonly RowToDraw[]): Int32Array {
    if (threads === undefined || rows.length < 2 || rows.length > roundRowsMax) return drawHere(rows);
    const estimatedMs = rows.reduce((sum, row) => sum + estimateMs(row, vocabularySize), 0);
    return estimatedMs < parallelMsMin ? drawHere(rows) : drawOnThreads(threads, rows, estimatedMs / rows.length);
  }

  return {
    threadCount: threads === undefined ? 0 : threadCount,
    sample(rows) {
      rows.forEach((row, index) => {
        if (sharesLogits(row, rows[index - 1]) || !needsAdjusting(row)) return;
        adjustLogits(logits.row(logits.rowOf(row.batchIndex)), row, adjustMemory);
      });
      return draw(rows);
    },
    dispose: () => threads?.dispose(),
  };
}

/** Whether two answers to one prompt draw from the same row: it is adjusted for the first of them, once. */
function sharesLogits(row: SampleRow, before: SampleRow | undefined): boolean {
  return before !== undefined && row.batchIndex === before.batchIndex && row.sampling === before.sampling;
}

/** Measured per logit on one core of 2.5 GHz: a comparison, a comparison with a heap beside it, an exponential. */
function estimateMs({ sampling }: SampleRow, vocabularySize: number): number {
  const nanoseconds = sampling.temperature === 0 ? 0.6 : sampling.topK > 0 ? 2 : 6;
  return (nanoseconds * vocabularySize) / 1e6;
}
