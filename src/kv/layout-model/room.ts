// How many sequences of a load run at once in a layout's cache, and what stays in a pool of those that ended.
// Why the mean length in a pool and nothing in slabs: a slab is each sequence's whether it is long or short, and is large enough for
// the longest; in a pool the short ones leave room to others. That is the price of slabs where memory is short.

import type { KvLayout } from '../../kernel-port.ts';
import { ownCellsOf } from './load-speed.ts';
import type { StepCosts } from './step-costs.ts';
import type { ExpectedLoad, LayoutRoom } from './types.ts';

export interface CacheSize {
  readonly layout: KvLayout;
  /** Token positions of all blocks together. */
  readonly cellCount: number;
  readonly sequencesMax: number;
  /** Native sequence ids of a pool: each prefix that stays after its sequence has one. */
  readonly cacheSeqCount: number;
  /** A prefix goes, room or not, once it has cost as much as computing it again (pooled-evict.ts). */
  readonly evictsKept: boolean;
}

/** As `keptRowsOf` of the engine has it, which measures the same two costs at start. */
const keptRowsMin = 4096;

/** Room for the load in a cache of this size; in a pool at least for one sequence. */
export function roomFor(size: CacheSize, load: ExpectedLoad, costs: StepCosts): LayoutRoom {
  const wanted = Math.max(1, Math.min(load.streams, size.sequencesMax));
  if (size.layout === 'per-sequence') return { atOnce: wanted, keptCells: 0 };
  const left = Math.max(0, size.cellCount - load.sharedTokens);
  const atOnce = Math.max(1, Math.min(wanted, Math.floor(left / ownCellsOf(load))));
  const rest = Math.max(0, left - atOnce * ownCellsOf(load));
  const keepable = Math.max(0, size.cacheSeqCount - atOnce) * (load.promptTokens + load.outputTokens);
  const worth = size.evictsKept ? keptRows(costs) : Number.POSITIVE_INFINITY;
  return { atOnce, keptCells: Math.min(rest, keepable, worth) };
}

/** Rows that a kept cell stays for: each row computed leaves one cell, so as many cells are kept. */
function keptRows({ promptToken, usedCellRow }: StepCosts): number {
  return usedCellRow === 0 ? Number.POSITIVE_INFINITY : Math.max(keptRowsMin, promptToken / usedCellRow);
}
