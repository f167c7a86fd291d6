// The passes in which llama.cpp computes the rows of a step, worked out before it does.
// Why: what a graph drew, and its logits, are there only until the next pass computes in the same memory. A step of several
// passes with outputs is therefore computed by a call for each, and what one leaves is read before the next.
// Source: llama_batch_allocr::split_simple and split_equal of llama.cpp v0.5.0, for a cache of full attention.

import type { KvLayout, StepBatch } from '../../kernel-port.ts';

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
  while (runs.some(({ next, end }) => next < end)) passes.push(takePass(runs, microBatchTokens));
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

/** Rows of one sequence that no pass has taken yet: [next, end). */
interface Run {
  readonly seq: number;
  next: number;
  readonly end: number;
}

function runsOf(cacheSeqs: Int32Array, tokenCount: number): Run[] {
  const runs: Run[] = [];
  let start = 0;
  for (let row = 1; row <= tokenCount; row++) {
    if (row < tokenCount && cacheSeqs[row] === cacheSeqs[start]) continue;
    runs.push({ seq: cacheSeqs[start] ?? 0, next: start, end: row });
    start = row;
  }
  return runs;
}

/** Of each of the first consecutive ids equally many rows: as many as the shortest has, and as fit. */
function takePass(runs: readonly Run[], rowsMax: number): number[] {
  const taken = consecutive(
    runs.filter(({ next, end }) => next < end),
    rowsMax,
  );
  const shortest = Math.min(...taken.map(({ next, end }) => end - next));
  const count = Math.max(1, Math.min(shortest, Math.floor(rowsMax / taken.length)));
  return taken.flatMap((run) => {
    const rows = Array.from({ length: count }, (_, index) => run.next + index);
    run.next += count;
    return rows;
  });
}

/** The first run that is left and those after it whose ids go on one by one; llama.cpp skips the others in between. */
function consecutive(runs: readonly Run[], countMax: number): Run[] {
  const taken: Run[] = [];
  for (const run of runs) {
    const last = taken.at(-1);
    if (last === undefined || run.seq === last.seq + 1) taken.push(run);
    if (taken.length > countMax) break;
  }
  return taken;
}
