// Runs windows through a kernel, and through a reference's kernel beside it, and hands out one score for each predicted token.
// Why both kernels take the same step before anything is scored: their logits lie side by side for that moment, so that the
// comparison is exact and nothing is kept.

import { assert, must } from '../../assert.ts';
import { cacheSeqId } from '../../ids.ts';
import type { NativeKernel } from '../../llama/kernel.ts';
import { field } from '../../llama/scoring/row-math.ts';
import type { RowScorer } from '../../llama/scoring/row-scorer.ts';
import type { Lane } from './lane.ts';
import type { Window } from './windows.ts';

/** What the kernel says of one predicted token. */
export interface RowScore {
  /** Natural logarithm of the probability of the token that follows. */
  readonly logProbability: number;
  /** The most likely token. */
  readonly topToken: number;
  /** Logarithm of the sum of e^logit, for other tokens of the row. */
  readonly logSum: number;
}

/** A row scored by two kernels. */
export interface PairScore extends RowScore {
  readonly reference: RowScore;
  /** Kullback-Leibler divergence from the reference, in nats. */
  readonly divergence: number;
}

/** Where a score belongs. */
export interface RowPlace {
  readonly windowIndex: number;
  /** The row, which predicts the token behind it. */
  readonly position: number;
  readonly target: number;
  /** Where the row's logits are until `onRow` returns. */
  readonly batchIndex: number;
}

export interface WindowRun {
  readonly lane: Lane;
  readonly scorer: RowScorer;
  readonly windows: readonly Window[];
  /** Called after each step with the windows that are done. */
  readonly onProgress?: (windowCount: number) => void;
}

/** Scores every window on one kernel. */
export function scoreWindows(run: WindowRun, onRow: (place: RowPlace, score: RowScore) => void): Promise<void> {
  return runGroups(run, [run.lane.kernel], (places) => {
    const { kernel } = run.lane;
    const results = run.scorer.score({
      logits: kernel.logits,
      reference: undefined,
      batchIndices: places.map(({ batchIndex }) => batchIndex),
    });
    places.forEach((place, row) => {
      onRow(place, readScore(kernel, place, { results, offset: row * field.length }));
    });
  });
}

export interface PairRun extends WindowRun {
  readonly reference: Lane;
}

/** Scores every window on two kernels that take the same steps. */
export function comparePairs(run: PairRun, onRow: (place: RowPlace, score: PairScore) => void): Promise<void> {
  const { kernel } = run.lane;
  const reference = run.reference.kernel;
  return runGroups(run, [reference, kernel], (places) => {
    const results = run.scorer.score({
      logits: kernel.logits,
      reference: reference.logits,
      batchIndices: places.map(({ batchIndex }) => batchIndex),
    });
    places.forEach((place, row) => {
      const offset = row * field.length;
      onRow(place, {
        ...readScore(kernel, place, { results, offset }),
        reference: readScore(reference, place, { results, offset: offset + field.referenceLogSum }),
        divergence: results[offset + field.divergence] as number,
      });
    });
  });
}

/** `offset` is that of a pair of log sum and top token. */
function readScore(
  kernel: NativeKernel,
  { batchIndex, target }: RowPlace,
  { results, offset }: { readonly results: Float64Array; readonly offset: number },
): RowScore {
  const logSum = results[offset] as number;
  const logit = must(kernel.logitsOf(batchIndex)[target], 'the target is in the vocabulary');
  return { logProbability: logit - logSum, topToken: results[offset + 1] as number, logSum };
}

type Score = (places: readonly RowPlace[]) => void;

/** As many windows at a time as the lane has sequences. */
async function runGroups(run: WindowRun, kernels: readonly NativeKernel[], score: Score): Promise<void> {
  const { windows, lane } = run;
  for (let first = 0; first < windows.length; first += lane.sequenceCount) {
    const group = windows.slice(first, first + lane.sequenceCount);
    for (const kernel of kernels) for (let seq = 0; seq < group.length; seq++) kernel.truncate(cacheSeqId(seq), 0);
    await runGroup({ group, first, lane, kernels }, score);
    run.onProgress?.(first + group.length);
  }
}

interface Group {
  readonly group: readonly Window[];
  /** Index of the group's first window. */
  readonly first: number;
  readonly lane: Lane;
  readonly kernels: readonly NativeKernel[];
}

/** Steps through a group; each step takes as many tokens of every window as batch and output rows allow. */
async function runGroup({ group, first, lane, kernels }: Group, score: Score): Promise<void> {
  // The last token of a window is only ever predicted.
  const lengthMax = Math.max(...group.map(({ tokens }) => tokens.length - 1));
  for (let from = 0; from < lengthMax; ) {
    const to = Math.min(lengthMax, from + chunkTokens(group, from, lane));
    const places: RowPlace[] = [];
    let rowCount = 0;
    group.forEach((window, seq) => {
      rowCount = writeChunk({ window, seq, from, to, windowIndex: first + seq }, { rowCount, kernels, places });
    });
    for (const kernel of kernels) await decodeOrThrow(kernel, rowCount);
    score(places);
    from = to;
  }
}

/** The most tokens of each window that fit one step. */
function chunkTokens(group: readonly Window[], from: number, lane: Lane): number {
  const tokensMax = Math.floor(lane.kernel.limits.batchTokensMax / group.length);
  const outputsEach = Math.floor(lane.outputsMax / group.length);
  const unscored = Math.max(0, Math.min(...group.map(({ firstRow }) => firstRow)) - from);
  const count = Math.min(tokensMax, unscored + outputsEach);
  assert(count >= 1, 'a step takes at least a token of each sequence');
  return count;
}

interface Chunk {
  readonly window: Window;
  readonly windowIndex: number;
  readonly seq: number;
  readonly from: number;
  readonly to: number;
}

interface Step {
  readonly rowCount: number;
  readonly kernels: readonly NativeKernel[];
  readonly places: RowPlace[];
}

/** Writes a window's chunk into every kernel's batch; answers the rows that are written then. */
function writeChunk({ window, windowIndex, seq, from, to }: Chunk, { rowCount, kernels, places }: Step): number {
  let row = rowCount;
  const { tokens, firstRow } = window;
  for (let position = from; position < Math.min(to, tokens.length - 1); position++) {
    const isScored = position >= firstRow;
    for (const { batch } of kernels) {
      batch.tokens[row] = tokens[position] as number;
      batch.positions[row] = position;
      batch.cacheSeqs[row] = seq;
      batch.outputs[row] = isScored ? 1 : 0;
    }
    if (isScored) places.push({ windowIndex, position, target: tokens[position + 1] as number, batchIndex: row });
    row += 1;
  }
  return row;
}

/** A step that must succeed: its sizes were planned, so a failure is the device's. */
export async function decodeOrThrow(kernel: NativeKernel, tokenCount: number): Promise<void> {
  const outcome = await kernel.decode(tokenCount);
  if (outcome.kind === 'failed') throw new Error(`the kernels failed (code ${outcome.code}): ${outcome.reason ?? ''}`);
  assert(outcome.kind === 'done', 'the lane has a cell for every token of a step');
}
