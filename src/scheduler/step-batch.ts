// From a plan to the kernel's batch: rows in order of native sequence ids, gaps between those ids bridged, and where
// sequences have guesses of different length all made equally long; prompts beside one another too, where that pays (even-prompts.ts).
// Why bridge: with a slab for each sequence llama.cpp computes only consecutive ids together; one idle id in between cuts a
// step in two passes over all weights. A filler row costs its own arithmetic alone (measured on two cores, 135M shape:
// 31 sequences with one gap 99 ms, without 77). It is computed for the idle id behind whatever that holds, and removed again.
// Why equally long: it computes as many rows of each id together as the shortest has, and what is left in further passes.

import { must } from '../assert.ts';
import type { CacheSeqId } from '../ids.ts';
import { cacheSeqId } from '../ids.ts';
import type { Kernel } from '../kernel-port.ts';
import { evenPromptRows } from './even-prompts.ts';
import type { ComputedRows } from './pass-cost.ts';
import { ownCount, type PlannedChunk, type StepPlan } from './step-plan.ts';

/** Idle ids that are bridged in any case: what a pass costs is told by steps that waver, and so few rows cost little. */
const bridgedIdsLeast = 4;
/** Fillers are rows with a history of their own; beyond these nothing was measured. */
const bridgedIdsMost = 32;
/** A pass is not taken to be worth more rows of a prompt: on an H100 it is 80 to 120, and more only seems so. */
const worthRowsMost = 128;

/**
 * Longest run of idle ids that is worth bridging by `rowsEach` rows of each, where so many rows cost as much as a pass without any;
 * undefined: not known.
 */
export function bridgedIdsWithin(rowsWorthAPass: number | undefined, rowsEach: number): number {
  return Math.min(Math.max(Math.floor((rowsWorthAPass ?? 0) / rowsEach), bridgedIdsLeast), bridgedIdsMost);
}

/** Rows of a sequence id that nobody asked for, to be removed after the step. */
export interface Filler {
  readonly seq: CacheSeqId;
  /** Of the first row. */
  readonly position: number;
  readonly count: number;
}

export interface StepRows extends ComputedRows {
  /** Index in the batch of each chunk's last row; shape (chunks,). */
  readonly lastRows: readonly number[];
  readonly fillers: readonly Filler[];
}

/** What rows cost that nobody asked for, in the layout `per-sequence`. */
export interface RowWorth {
  /** How many rows of decoding cost as much as a pass without any; asked where there is a gap between ids. */
  rowsWorthAPass(): number | undefined;
  /** The same of prompts; asked where several are read. */
  promptRowsWorthAPass(): number | undefined;
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
  let place = -1;
  for (const index of order) {
    place += 1;
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
    const wantedCount = promptRows?.[place] ?? evenCount;
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

/** Removes what the fillers left; their sequences are then as before the step. */
export function removeFillers(kernel: Kernel, fillers: readonly Filler[]): void {
  for (const { seq, position } of fillers) kernel.truncate(seq, position);
}

function writeFiller({ batch }: Kernel, row: number, { seq, position, count }: Filler): void {
  batch.tokens.fill(0, row, row + count);
  batch.cacheSeqs.fill(seq, row, row + count);
  batch.outputs.fill(0, row, row + count);
  for (let offset = 0; offset < count; offset++) batch.positions[row + offset] = position + offset;
}

/** Rows that each sequence of a step with guesses gets; 1 where there are none, or where lengths may differ. */
function evenCountOf({ limits }: Kernel, { chunks, extraRows }: StepPlan): number {
  if (limits.layout !== 'per-sequence' || extraRows === 0) return 1;
  return chunks.reduce((longest, { count }) => Math.max(longest, count), 1);
}

/**
 * Rows that each chunk gets, in the order of writing, where several prompts are read; undefined where each has its own alone, also where one
 * has no room for more: a group that is not equally long is computed in as many passes as before.
 */
function promptRowsOf(
  kernel: Kernel,
  plan: StepPlan,
  { order, worth }: { readonly order: readonly number[]; readonly worth: RowWorth | undefined },
): readonly number[] | undefined {
  const { limits } = kernel;
  // The usual step, and one with a single prompt of a token more.
  if (limits.layout !== 'per-sequence' || plan.extraRows > 0 || plan.tokenCount < plan.chunks.length + 2)
    return undefined;
  const rowsWorthAPass = limits.sharesPrefixes ? (worth?.promptRowsWorthAPass() ?? 0) : 0;
  if (rowsWorthAPass < 1) return undefined;
  const chunks = order.map((index) => must(plan.chunks[index], 'an order of the plan names its chunks'));
  const rows = evenPromptRows(chunks, {
    rowsWorthAPass: Math.min(rowsWorthAPass, worthRowsMost),
    passTokensMax: limits.passTokensMax,
  });
  const rowCount = rows.reduce((sum, count) => sum + count, 0);
  const isRoom = chunks.every(({ seq, from }, place) =>
    fitsSlab(kernel, { seq, position: from, count: rows[place] ?? 0 }),
  );
  return isRoom && rowCount <= limits.batchTokensMax ? rows : undefined;
}

/** Whether the rows have a place in the slab, and positions that the model knows. */
function fitsSlab({ limits }: Kernel, { position, count }: Filler): boolean {
  const { cellCount, cacheSeqCount, positionsTrained } = limits;
  return position + count <= Math.min(Math.floor(cellCount / cacheSeqCount), positionsTrained);
}

/** A filler for every idle id between two, or none: a bridge with a hole is no bridge. */
function bridgeBetween(
  kernel: Kernel,
  from: number,
  { to, spareRows, count, idleMax }: { to: number; spareRows: number; count: number; idleMax: number },
): Filler[] {
  const { limits, positions } = kernel;
  const idleCount = to - from - 1;
  if (!limits.sharesPrefixes) return [];
  if (idleCount <= 0 || idleCount > idleMax || idleCount * count > spareRows) return [];
  const fillers = Array.from({ length: idleCount }, (_, index): Filler => {
    const seq = cacheSeqId(from + 1 + index);
    return { seq, position: (positions(seq)?.max ?? -1) + 1, count };
  });
  return fillers.every((filler) => fitsSlab(kernel, filler)) ? fillers : [];
}
