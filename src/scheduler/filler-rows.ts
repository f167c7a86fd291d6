// Rows that nobody asked for, where each sequence has a slab of its own: they bridge gaps between native ids, and make equally long what is
// computed together. All of them are removed after the step.
// Why bridge: llama.cpp computes only consecutive ids together; one idle id in between cuts a step in two passes over all weights. A
// filler row costs its own arithmetic alone (measured on two cores, 135M shape: 31 sequences with one gap 99 ms, without 77). It is
// computed for the idle id behind whatever that holds, and removed again.
// Why equally long: it computes as many rows of each id together as the shortest has, and what is left in further passes.

import { must } from '../assert.ts';
import { type CacheSeqId, cacheSeqId } from '../ids.ts';
import type { Kernel } from '../kernel-port.ts';
import { evenPromptRows } from './even-prompts.ts';
import type { StepPlan } from './step-plan.ts';

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

/** What rows cost that nobody asked for, in the layout `per-sequence`. */
export interface RowWorth {
  /** How many rows of decoding cost as much as a pass without any; asked where there is a gap between ids. */
  rowsWorthAPass(): number | undefined;
  /** The same of prompts; asked where several are read. */
  promptRowsWorthAPass(): number | undefined;
}

/** Removes what the fillers left; their sequences are then as before the step. */
export function removeFillers(kernel: Kernel, fillers: readonly Filler[]): void {
  for (const { seq, position } of fillers) kernel.truncate(seq, position);
}

export function writeFiller({ batch }: Kernel, row: number, { seq, position, count }: Filler): void {
  batch.tokens.fill(0, row, row + count);
  batch.cacheSeqs.fill(seq, row, row + count);
  batch.outputs.fill(0, row, row + count);
  for (let offset = 0; offset < count; offset++) batch.positions[row + offset] = position + offset;
}

/** Rows that each sequence of a step with guesses gets; 1 where there are none, or where lengths may differ. */
export function evenCountOf({ limits }: Kernel, { chunks, extraRows }: StepPlan): number {
  if (limits.layout !== 'per-sequence' || extraRows === 0) return 1;
  return chunks.reduce((longest, { count }) => Math.max(longest, count), 1);
}

/**
 * Rows that each chunk gets where several prompts are read, which are written in this order; undefined where each has its own alone, also
 * where one has no room for more: a group that is not equally long is computed in as many passes as before.
 */
export function promptRowsOf(
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
  const evened = evenPromptRows(
    order.map((index) => must(plan.chunks[index], 'an order of the plan names its chunks')),
    { rowsWorthAPass: Math.min(rowsWorthAPass, worthRowsMost), passTokensMax: limits.passTokensMax },
  );
  const rows: number[] = new Array(order.length).fill(0);
  for (const [place, index] of order.entries()) rows[index] = evened[place] ?? 0;
  const rowCount = rows.reduce((sum, count) => sum + count, 0);
  const isRoom = plan.chunks.every(({ seq, from }, index) =>
    fitsSlab(kernel, { seq, position: from, count: rows[index] ?? 0 }),
  );
  return isRoom && rowCount <= limits.batchTokensMax ? rows : undefined;
}

/** Whether the rows have a place in the slab, and positions that the model knows. */
export function fitsSlab({ limits }: Kernel, { position, count }: Filler): boolean {
  const { cellCount, cacheSeqCount, positionsTrained } = limits;
  return position + count <= Math.min(Math.floor(cellCount / cacheSeqCount), positionsTrained);
}

/** A filler for every idle id between two, or none: a bridge with a hole is no bridge. */
export function bridgeBetween(
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
