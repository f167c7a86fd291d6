// What rows beyond one a sequence cost a step, learned from steps that had some: a fading mean of milliseconds a row, one for
// each doubling of sequences and of rows. Why both: one sequence alone is computed by other kernels than several rows are, so
// that its second row may cost more than a whole step, and the sixteenth a quarter of one.
// Why a cost is believed less with time: one slow step must not switch speculation off for good. Each step without extra rows
// draws a cost a little back towards what a long prompt costs a token, which was measured anyway.

import { must } from '../../assert.ts';
import { doublingOf, nearestKnown } from '../doublings.ts';

export interface StepCosts {
  /** Milliseconds of a step of `decodeCount` rows, one for each sequence; undefined before any was seen. */
  plainMs(decodeCount: number): number | undefined;
  /** Milliseconds for each token of a large chunk of a prompt; undefined before any was seen. */
  promptTokenMs(): number | undefined;
}

/** A step's rows: one for each sequence, and those beside them. */
export interface StepRowCounts {
  readonly decodeCount: number;
  readonly extraRows: number;
}

export interface RowCost {
  /** Milliseconds that the extra rows cost; undefined before anything comparable was seen. */
  extraMs(rows: StepRowCounts): number | undefined;
  /** A step took `extraMs` longer than without its extra rows. */
  observe(rows: StepRowCounts, extraMs: number): void;
  /** A step without extra rows went by. */
  forget(): void;
}

const newestWeight = 0.3;
/** A step that took far longer than expected was held up by something else. */
const surpriseMax = 3;
const forgottenShare = 0.002;
const rowMsMin = 1e-4;
const doublings = 12;

export function createRowCost(costs: StepCosts): RowCost {
  /** By doubling of sequences, then by doubling of rows; shape (doublings, doublings). */
  const rowMs = Array.from({ length: doublings }, () => new Float64Array(doublings).fill(Number.NaN));

  function placeOf({ decodeCount, extraRows }: StepRowCounts): { known: Float64Array; doubling: number } {
    const known = must(rowMs[doublingOf(decodeCount, doublings)], 'a row of costs for each doubling');
    return { known, doubling: doublingOf(decodeCount + extraRows, doublings) };
  }

  /** The least that it may be: what is not known is tried, and then known. */
  function guessedMs(known: Float64Array, doubling: number): number | undefined {
    const near = nearestKnown(known, doubling);
    const prompt = costs.promptTokenMs();
    return near === undefined || prompt === undefined ? (near ?? prompt) : Math.min(near, prompt);
  }

  return {
    extraMs(rows) {
      const { known, doubling } = placeOf(rows);
      const seenMs = known[doubling] ?? Number.NaN;
      const perRowMs = Number.isNaN(seenMs) ? guessedMs(known, doubling) : seenMs;
      return perRowMs === undefined ? undefined : perRowMs * rows.extraRows;
    },
    observe(rows, extraMs) {
      const { known, doubling } = placeOf(rows);
      const newest = Math.max(extraMs / rows.extraRows, rowMsMin);
      const seenMs = known[doubling] ?? Number.NaN;
      known[doubling] = Number.isNaN(seenMs)
        ? newest
        : seenMs + newestWeight * (Math.min(newest, surpriseMax * seenMs) - seenMs);
    },
    forget() {
      const promptMs = costs.promptTokenMs();
      if (promptMs === undefined) return;
      for (const known of rowMs) {
        for (const [doubling, seenMs] of known.entries()) {
          // What was never seen stays NaN.
          known[doubling] = seenMs - forgottenShare * Math.max(seenMs - promptMs, 0);
        }
      }
    },
  };
}
