// The passes in which llama.cpp computes the rows of a step, worked out before it does.
// Why: what a graph drew, and its logits, are there only until the next pass computes in the same memory. A step of several
// passes with outputs is therefore computed by a call for each, and of what one leaves the draws are read and the logits kept
// (kept-logits.ts) before the next.
// Source: llama_batch_allocr::split_simple of llama.cpp v0.5.0; with slabs: slab-passes.ts.

import type { KvLayout, StepBatch } from '../../kernel-port.ts';
import { type RowRun, takePass } from '../../slab-passes.ts';

export interface PassRules {
  readonly layout: KvLayout;
  /** Most rows of one pass. */
  readonly microBatchTokens: number;
}

/** Indices in the batch of each pass's rows, in the order in which they are computed; passes in theirs. O(rows). */
export function passesOf(
  { cacheSeqs }: Pick<StepBatch, 'cacheSeqs'>,
  tokenCount: number,
  { layout, microBatchTokens }: PassRules,
): number[][] {
  const rows = Array.from({ length: tokenCount }, (_, row) => row);
  if (layout === 'pooled') return cut(rows, microBatchTokens);
  if (tokenCount <= microBatchTokens && ascendsByOne(cacheSeqs, tokenCount)) return [rows];
  const runs = runsOf(cacheSeqs, tokenCount);
  const passes: number[][] = [];
  for (let spans = takePass(runs, microBatchTokens); spans.length > 0; spans = takePass(runs, microBatchTokens))
    passes.push(spans.flatMap(({ from, count }) => Array.from({ length: count }, (_, offset) => from + offset)));
  return passes;
}

/** A step of one row for each of neighbouring ids: nearly every step. */
function ascendsByOne(cacheSeqs: Int32Array, tokenCount: number): boolean {
  for (let row = 1; row < tokenCount; row++) if (cacheSeqs[row] !== (cacheSeqs[row - 1] ?? 0) + 1) return false;
  return true;
}

function cut(rows: readonly number[], size: number): number[][] {
  return Array.from({ length: Math.ceil(rows.length / size) }, (_, index) =>
    rows.slice(index * size, (index + 1) * size),
  );
}

function runsOf(cacheSeqs: Int32Array, tokenCount: number): RowRun[] {
  const runs: RowRun[] = [];
  let start = 0;
  for (let row = 1; row <= tokenCount; row++) {
    if (row < tokenCount && cacheSeqs[row] === cacheSeqs[start]) continue;
    runs.push({ seq: cacheSeqs[start] ?? 0, next: start, end: row });
    start = row;
  }
  return runs;
}
