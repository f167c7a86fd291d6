// From a plan to the kernel's batch: rows in order of native sequence ids, and between and behind them the rows that nobody asked for, where
// those save passes (filler-rows.ts).

import { must } from '../assert.ts';
import type { Kernel } from '../kernel-port.ts';
import {
  bridgeBetween,
  bridgedIdsWithin,
  evenCountOf,
  type Filler,
  fitsSlab,
  promptRowsOf,
  type RowWorth,
  writeFiller,
} from './filler-rows.ts';
import type { ComputedRows } from './pass-cost.ts';
import { ownCount, type PlannedChunk, type StepPlan } from './step-plan.ts';

export interface StepRows extends ComputedRows {
  /** Index in the batch of each chunk's last row; shape (chunks,). */
  readonly lastRows: readonly number[];
  readonly fillers: readonly Filler[];
}

/** Fills the kernel's own arrays from the plan. O(tokens), and what evening prompts takes. */
export function writeBatch(kernel: Kernel, plan: StepPlan, worth?: RowWorth): StepRows {
  const { batch } = kernel;
  const lastRows: number[] = new Array(plan.chunks.length).fill(0);
  const fillers: Filler[] = [];
  const evenCount = evenCountOf(kernel, plan);
  const order = inWritingOrder(kernel, plan);
  const promptRows = promptRowsOf(kernel, plan, { order, worth });
  const splitsAtGaps = kernel.limits.layout === 'per-sequence';
  let spareRows = kernel.limits.batchTokensMax - plan.tokenCount;
  let row = 0;
  let passCount = 1;
  let bridgeRowCount = 0;
  const fill = (filler: Filler): void => {
    writeFiller(kernel, row, filler);
    fillers.push(filler);
    row += filler.count;
    spareRows -= filler.count;
  };
  let previousSeq: number | undefined;
  for (const index of order) {
    const chunk = must(plan.chunks[index], 'an order of the plan names its chunks');
    if (splitsAtGaps && previousSeq !== undefined && chunk.seq > previousSeq + 1) {
      const idleMax = bridgedIdsWithin(worth?.rowsWorthAPass(), evenCount);
      const gap = { to: chunk.seq, spareRows, count: evenCount, idleMax };
      const bridge = bridgeBetween(kernel, previousSeq, gap);
      bridge.forEach(fill);
      bridgeRowCount += bridge.length * evenCount;
      if (bridge.length === 0) passCount += 1;
    }
    writeTokens(batch.tokens, row, chunk);
    batch.cacheSeqs.fill(chunk.seq, row, row + chunk.count);
    batch.outputs.fill(0, row, row + chunk.count);
    if (chunk.scored !== undefined) {
      const firstRow = row + chunk.scored.from - chunk.from;
      batch.outputs.fill(1, firstRow, firstRow + chunk.scored.count);
    }
    for (let offset = 0; offset < chunk.count; offset++) batch.positions[row + offset] = chunk.from + offset;
    row += chunk.count;
    if (chunk.draws) batch.outputs.fill(1, row - 1 - (chunk.draft?.rowCount ?? 0), row);
    lastRows[index] = row - 1;
    previousSeq = chunk.seq;
    const wantedCount = promptRows?.[index] ?? evenCount;
    if (chunk.count < wantedCount) {
      const short = { seq: chunk.seq, position: chunk.from + chunk.count, count: wantedCount - chunk.count };
      if (short.count <= spareRows && fitsSlab(kernel, short)) fill(short);
    }
  }
  return { rowCount: row, lastRows, fillers, passCount, bridgeRowCount };
}

/**
 * In order of native ids, but a prompt's chunk under the highest id first. With slabs llama.cpp computes as many rows of each
 * consecutive id together as the shortest has, and lets all of them look at as many cells as the fullest slab holds: behind
 * the others a long prompt would give its first row to their pass, and they would pay for its length.
 */
function inWritingOrder({ limits }: Kernel, { chunks }: StepPlan): number[] {
  const order = [...chunks.keys()];
  const last = chunks.at(-1);
  const isMixed = last !== undefined && ownCount(last) > 1 && chunks.some(({ count }) => count === 1);
  if (limits.layout !== 'per-sequence' || !isMixed) return order;
  return [chunks.length - 1, ...order.slice(0, -1)];
}

/** A token alone, which is nearly all there is, without a view of the sequence's tokens made for it. */
function writeTokens(into: Int32Array, row: number, { sequence, from, count }: PlannedChunk): void {
  if (count === 1) into[row] = must(sequence.tokens[from], 'a chunk has its tokens');
  else into.set(sequence.tokens.subarray(from, from + count), row);
}

/** Rows of a plan without fillers, for those who only count. */
export function denseLastRows(plan: StepPlan): readonly number[] {
  let row = -1;
  return plan.chunks.map((chunk) => {
    row += chunk.count;
    return row;
  });
}
