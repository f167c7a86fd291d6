// How long a prefix is worth its cells in one pool: measured on the kernel that will serve, before it serves.
// Why measured: the CPU's kernels read the mask of every cell in use for every row, so that what is kept costs whatever else is
// computed; how much, against computing it again, depends on the model's shape, the KV type and the processor.
// Why the smallest of several times: another process can only make a step slower.

import { type CacheSeqId, cacheSeqId } from '../../ids.ts';
import type { Kernel, ParkedState } from '../../kernel-port.ts';

export interface KeptCosts {
  /** Of the step measured, each of whose rows begins a sequence. */
  readonly rowCount: number;
  /** That step where the pool holds nothing else. */
  readonly quietMs: number;
  /** To compute one row of a prompt. */
  readonly promptRowMs: number;
  /** What one cell more in the pool costs a row that does not look at it. */
  readonly cellMs: number;
}

export interface KeptMeasuring {
  readonly kernel: Kernel;
  readonly now: () => number;
}

const promptTokensMax = 32;
const stepRowsMax = 16;
/** Enough that reading their mask shows beside the weights. */
const cellsMax = 4096;
/**
 * Less than this was only ever measured on a machine busy with something else (8,000 to 11,000 rows on a quiet one, with 135
 * million weights): keeping a prefix for too long costs less than computing all of them again and again.
 */
const keptRowsMin = 4096;
/** A difference of two steps that is a smaller share of them is no measurement. */
const shareMin = 0.02;

/**
 * Measures on an empty pool, and leaves it empty; undefined where the pool is too small, or where cells that nobody looks at
 * cost nothing that shows. About a second with a model of 135 million weights on two cores.
 */
export async function measureKept(measuring: KeptMeasuring): Promise<KeptCosts | undefined> {
  const { kernel } = measuring;
  const { cellCount, cacheSeqCount, batchTokensMax, outputRowsMax } = kernel.limits;
  const rowCount = Math.min(stepRowsMax, cacheSeqCount - 1, batchTokensMax, outputRowsMax);
  const promptTokens = Math.min(promptTokensMax, batchTokensMax);
  const copyCount = Math.min(
    Math.floor((Math.min(cellsMax, cellCount / 2) - rowCount) / promptTokens),
    cacheSeqCount - rowCount,
  );
  if (rowCount < 1 || copyCount < 1) return undefined;
  const rows = { rowCount, seqs: range(rowCount) };
  let state: ParkedState | undefined;
  try {
    const promptMs = await leastMs(measuring, { rowCount: promptTokens, seqs: [cacheSeqId(0)] });
    state = await fillOne(kernel, promptTokens);
    const quietMs = await leastMs(measuring, rows);
    if (state === undefined) return undefined;
    const copies = range(copyCount).map((index) => cacheSeqId(rowCount + index));
    const parked = state;
    if (!copies.every((seq) => kernel.restore(seq, parked))) return undefined;
    const fullMs = await leastMs(measuring, rows);
    if (fullMs - quietMs < shareMin * fullMs) return undefined;
    const cellMs = (fullMs - quietMs) / (rowCount * copyCount * promptTokens);
    return { rowCount, quietMs, promptRowMs: promptMs / promptTokens, cellMs };
  } finally {
    if (state !== undefined) kernel.forget(state);
    for (const seq of range(rowCount + copyCount)) kernel.truncate(seq, 0);
  }
}

/** Rows after which a cell has cost as much as computing it again. */
export function keptRowsOf({ promptRowMs, cellMs }: Pick<KeptCosts, 'promptRowMs' | 'cellMs'>): number {
  return Math.max(keptRowsMin, Math.round(promptRowMs / cellMs));
}

/** The step measured beside `cellCount` cells that its rows do not look at; with slabs it would take `quietMs`. */
function stepMsBeside(cellCount: number, { quietMs, rowCount, cellMs }: KeptCosts): number {
  return quietMs + rowCount * cellCount * cellMs;
}

/** What was measured, and what it makes of a step in a pool of `cellCount` cells. */
export function keptText(costs: KeptCosts, cellCount: number): string {
  const short = (value: number) => value.toPrecision(3);
  const fullMs = stepMsBeside(cellCount, costs);
  return (
    `a cell in use costs each row ${short(1000 * costs.cellMs)} us, computing it again ${short(costs.promptRowMs)} ms; ` +
    `a step of ${costs.rowCount} rows takes ${short(costs.quietMs)} ms, as with slabs, and ${short(fullMs)} ms in a full pool`
  );
}

interface ProbeStep {
  readonly rowCount: number;
  /** One id takes all rows, or each takes one. */
  readonly seqs: readonly CacheSeqId[];
}

/**
 * Whether a step was repeated often enough: a quick one for 60 ms, so that one undisturbed run is among them; one of a large
 * model twice, because the first of its kind may lay out its graph.
 */
function isEnough(repeatCount: number, spentMs: number): boolean {
  return repeatCount >= 64 || (repeatCount >= 4 && spentMs > 60) || (repeatCount >= 2 && spentMs > 1000);
}

/** The least of several runs of a step whose sequences begin with it. */
async function leastMs({ kernel, now }: KeptMeasuring, step: ProbeStep): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  const from = now();
  for (let repeatCount = 0; !isEnough(repeatCount, now() - from); repeatCount++) {
    const started = now();
    await run(kernel, step);
    least = Math.min(least, now() - started);
    for (const seq of step.seqs) kernel.truncate(seq, 0);
  }
  return least;
}

/** The state of a sequence of `tokenCount` tokens, which is removed again. */
async function fillOne(kernel: Kernel, tokenCount: number) {
  const seq = cacheSeqId(0);
  await run(kernel, { rowCount: tokenCount, seqs: [seq] });
  const state = kernel.park(seq, tokenCount);
  kernel.truncate(seq, 0);
  return state;
}

async function run({ batch, decode }: Kernel, { rowCount, seqs }: ProbeStep): Promise<void> {
  for (let row = 0; row < rowCount; row++) {
    batch.tokens[row] = 0;
    batch.positions[row] = seqs.length === 1 ? row : 0;
    batch.cacheSeqs[row] = seqs[seqs.length === 1 ? 0 : row] ?? 0;
    batch.outputs[row] = seqs.length === 1 && row < rowCount - 1 ? 0 : 1;
  }
  const outcome = await decode(rowCount);
  if (outcome.kind !== 'done') throw new Error(`a step of ${rowCount} rows failed: ${JSON.stringify(outcome)}`);
}

function range(count: number): CacheSeqId[] {
  return Array.from({ length: count }, (_, index) => cacheSeqId(index));
}
