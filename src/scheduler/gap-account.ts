// What gaps between the native ids of running sequences have cost, against what the copies cost that close them (gather.ts).
// Why an account and no forecast: how long sequences go on, and which ids new ones take, nobody knows. Who copies once the gaps have
// cost as much pays at most twice what who knew all of it would (the ski-rental argument).
// What a copy takes is known once one was made, and taken for a whole pass before: it moves a slab of cells where a pass reads all weights.
// Why only steps in which everybody decodes: who waits, or has another adapter, lies in between others, and is no gap.

import type { ComputedRows, PassCost } from './pass-cost.ts';

export interface GapAccount {
  /** What gaps have cost since there were none, what was spent on closing them taken off. */
  lostMs(): number;
  /** What a copy is expected to take. */
  copyMs(): number;
  /** So much was spent on closing them. */
  spend(ms: number): void;
  /** A step in which every sequence decoded. `copyCount`: copies that were made with it, and took part of its time. */
  observe(rows: ComputedRows, step: { readonly ms: number; readonly copyCount: number }): void;
}

/** How much the newest copy counts against those before. */
const newestShare = 0.3;
/** No copy is taken for cheaper than this share of a pass: steps waver, so that no more can be told. */
const copyShareMin = 0.1;
/** A step that took longer by more copies than this, as they were known, was held up by something else. */
const surpriseMax = 4;

export function createGapAccount(passCost: PassCost): GapAccount {
  let lostMs = 0;
  let seenCopyMs: number | undefined;
  const copyMs = (): number => Math.max(seenCopyMs ?? passCost.passMs(), copyShareMin * passCost.passMs());
  return {
    lostMs: () => lostMs,
    copyMs,
    spend(ms) {
      lostMs -= ms;
    },
    observe({ rowCount, passCount, bridgeRowCount }, { ms, copyCount }) {
      if (copyCount > 0) {
        const plainMs = passCount * passCost.passMs() + rowCount * passCost.rowMs();
        const newestMs = Math.min(Math.max(ms - plainMs, 0) / copyCount, surpriseMax * copyMs());
        seenCopyMs = seenCopyMs === undefined ? newestMs : seenCopyMs + newestShare * (newestMs - seenCopyMs);
      }
      // Once ids follow one another nothing is owed: what was lost before is no reason to close the next gap at once.
      if (passCount === 1 && bridgeRowCount === 0) lostMs = 0;
      else lostMs += (passCount - 1) * passCost.passMs() + bridgeRowCount * passCost.rowMs();
    },
  };
}
