// The memory that the scoring threads share: which rows of which logits, who takes the next, and the results.
// Why a round ends only when every thread has said so: a thread that wakes late then never meets logits of another step.
// That costs a wake-up a round; a round of evaluation has hundreds of rows, so it does not show.

import { tokenId } from '../../ids.ts';
import type { TokenLogprobs } from '../../sampling-params.ts';
import { createForeignLogits, type RowsOf } from '../foreign-logits.ts';
import { compareRows, field, surveyRow } from './row-math.ts';
import { scoreToken } from './token-logprobs.ts';

/** Entries of `control`. */
export const control = { round: 0, nextRow: 1, rowCount: 2, busyCount: 3, stop: 4, kind: 5, length: 6 } as const;

/** What a round computes: rows, or tokens by rows. */
export const kind = { rows: 0, tokens: 1 } as const;

export interface Round {
  /** Shape (control.length,). */
  readonly control: Int32Array;
  /** Address and row count of the logits, then of the reference's; a row count of 0 means no reference. Shape (4,). */
  readonly sources: BigInt64Array;
  /** Row within the logits, and within the reference's. Shape (rowsMax, 2). */
  readonly rows: Int32Array;
  /** Shape (rowsMax, field.length). */
  readonly results: Float64Array;
  /** Token of each row, and how many of the likeliest beside it; at most `topCountMax`. Shape (rowsMax, 2). */
  readonly wishes: Int32Array;
  /** Log-probability, rank, then the likeliest tokens, then theirs. Shape (rowsMax, scoreLength). */
  readonly scores: Float64Array;
}

export const topCountMax = 20;
const scoreLength = 2 + 2 * topCountMax;

/** Rows taken at once: fewer visits to the shared counter. */
const rowsPerTurn = 4;
const controlBytes = 24;
const sourceBytes = 4 * 8;

const rowBytes = field.length * 8 + scoreLength * 8 + 2 * 4 + 2 * 4;

export function allocateRound(rowsMax: number): SharedArrayBuffer {
  return new SharedArrayBuffer(controlBytes + sourceBytes + rowsMax * rowBytes);
}

export function viewRound(memory: SharedArrayBuffer): Round {
  const rowsMax = (memory.byteLength - controlBytes - sourceBytes) / rowBytes;
  const resultsStart = controlBytes + sourceBytes;
  const scoresStart = resultsStart + rowsMax * field.length * 8;
  const rowsStart = scoresStart + rowsMax * scoreLength * 8;
  return {
    control: new Int32Array(memory, 0, control.length),
    sources: new BigInt64Array(memory, controlBytes, 4),
    results: new Float64Array(memory, resultsStart, rowsMax * field.length),
    scores: new Float64Array(memory, scoresStart, rowsMax * scoreLength),
    rows: new Int32Array(memory, rowsStart, rowsMax * 2),
    wishes: new Int32Array(memory, rowsStart + rowsMax * 2 * 4, rowsMax * 2),
  };
}

/** Both kernels' logits as any thread sees them. */
export function createRowViews({ sources }: Round, vocabularySize: number): { logits: RowsOf; reference: RowsOf } {
  return {
    logits: createForeignLogits(sources.subarray(0, 2), vocabularySize),
    reference: createForeignLogits(sources.subarray(2, 4), vocabularySize),
  };
}

/** Takes rows of the open round and computes them, until none is left. */
export function scoreRows(round: Round, views: { logits: RowsOf; reference: RowsOf }): void {
  const rowCount = Atomics.load(round.control, control.rowCount);
  const isPair = round.sources[3] !== 0n;
  const isOfTokens = Atomics.load(round.control, control.kind) === kind.tokens;
  for (;;) {
    const first = Atomics.add(round.control, control.nextRow, rowsPerTurn);
    if (first >= rowCount) return;
    for (let row = first; row < Math.min(first + rowsPerTurn, rowCount); row++) {
      const logits = views.logits(round.rows[2 * row] as number);
      if (isOfTokens) scoreWish(round, row, logits);
      else if (isPair) {
        const reference = views.reference(round.rows[2 * row + 1] as number);
        compareRows({ logits, reference }, round.results, row * field.length);
      } else surveyRow(logits, round.results, row * field.length);
    }
  }
}

function scoreWish({ wishes, scores }: Round, row: number, logits: Float32Array): void {
  const token = tokenId(wishes[2 * row] as number);
  const { logprob, rank, topTokens, topLogprobs } = scoreToken(logits, {
    token,
    topCount: wishes[2 * row + 1] as number,
  });
  const start = row * scoreLength;
  scores[start] = logprob;
  scores[start + 1] = rank;
  scores.set(topTokens, start + 2);
  scores.set(topLogprobs, start + 2 + topCountMax);
}

/** What a round of tokens found for a row. */
export function readScore({ wishes, scores }: Round, row: number): TokenLogprobs {
  const start = row * scoreLength;
  const count = wishes[2 * row + 1] as number;
  const topsStart = start + 2 + topCountMax;
  return {
    logprob: scores[start] as number,
    rank: scores[start + 1] as number,
    topTokens: Int32Array.from(scores.subarray(start + 2, start + 2 + count)),
    topLogprobs: Float32Array.from(scores.subarray(topsStart, topsStart + count)),
  };
}
