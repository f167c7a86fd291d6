// What gaps between the native ids of running sequences have cost, against what the copies cost that close them (gather.ts).
// Why an account and no forecast: how long sequences go on, and which ids new ones take, nobody knows. Who copies once the gaps have
// cost as much pays at most twice what who knew all of it would (the ski-rental argument).
// Why a copy is dear at first, a whole pass: it is known once one was made. It moves a slab of cells where a pass reads all weights.

import type { ComputedRows, PassCost } from './pass-cost.ts';

export interface GapAccount {
  /** What gaps have cost since there were none, what was spent on closing them taken off. */
  lostMs(): number;
  /** What a copy is expected to take. */
  copyMs(): number;
  /** So much was spent on closing them. */
  spend(ms: number): void;
  /** A step of decoding sequences, none of which reads a prompt. `isAfterCopy`: copies were made with it, and took part of its time. */
  observe(rows: ComputedRows, step: { readonly ms: number; readonly isAfterCopy: boolean }): void;
}

/** How much the newest copy counts against those before. */
const newestShare = 0.3;
/** No copy is taken for cheaper than this share of a pass: steps waver, so that no more can be told. */
const copyShareMin = 0.1;

export function createGapAccount(passCost: PassCost): GapAccount {
  let lostMs = 0;
  let seenCopyMs: number | undefined;
  return {
    lostMs: () => lostMs,
    copyMs: () => Math.max(seenCopyMs ?? passCost.passMs(), copyShareMin * passCost.passMs()),
    spend(ms) {
      lostMs -= ms;
    },
    observe({ rowCount, passCount, bridgeRowCount }, { ms, isAfterCopy }) {
      if (isAfterCopy) {
        const plainMs = passCount * passCost.passMs() + rowCount * passCost.rowMs();
        const newestMs = Math.max(ms - plainMs, 0);
        seenCopyMs = seenCopyMs === undefined ? newestMs : seenCopyMs + newestShare * (newestMs - seenCopyMs);
      }
      // Once ids follow one another nothing is owed: what was lost before is no reason to close the next gap at once.
      if (passCount === 1 && bridgeRowCount === 0) lostMs = 0;
      else lostMs += (passCount - 1) * passCost.passMs() + bridgeRowCount * passCost.rowMs();
    },
  };
}
