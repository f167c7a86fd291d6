// What a pass over all weights costs, and each row of it, learned from steps that decode alone: how far gaps between native ids are
// worth bridging (filler-rows.ts), and what those that are left cost (gap-account.ts).
// Why apart from the line through steps (cost-model.ts): that one is over sequences, for a plan that does not know of gaps yet.
// Rows that bridge them, and further passes where they were not bridged, then look like the cost of sequences or of none: with few
// sequences far apart the line falls, a pass seems to cost everything, and gaps are bridged that cost more than they save.
// Why means of a step's passes: they are computed one after another over the same weights.

import { createFadingLine } from './fading-line.ts';

/** A step's rows as they were computed, and in how many passes. */
export interface ComputedRows {
  readonly rowCount: number;
  readonly passCount: number;
  /** Rows of `rowCount` that bridge gaps between ids. */
  readonly bridgeRowCount: number;
}

export interface PassCost {
  /** A step in which each sequence, and each idle id that was bridged, had one row. */
  observe(rows: ComputedRows, stepMs: number): void;
  /** Milliseconds of a pass without rows; 0 before any was seen. */
  passMs(): number;
  /** Milliseconds of each row; 0 before any was seen. */
  rowMs(): number;
  /** How many rows cost as much as a pass without any, as last told; undefined while it never was. */
  rowsWorthAPass(): number | undefined;
}

/** What a pass without rows is taken for of one with them, before passes of different size have told it. */
const untoldShare = 0.5;

interface Told {
  readonly passMs: number;
  readonly rowMs: number;
}

export function createPassCost(): PassCost {
  const line = createFadingLine(0.97);
  let lastRows = 0;
  let lastMs = 0;
  let told: Told | undefined;

  /** Nothing new is told by steps that are all alike, which most are. */
  function tell(rows: number): void {
    const rowsWorthAPass = line.unitsAtZero();
    const ms = line.at(rows) ?? 0;
    // Where a pass would cost nothing, or nothing all, some steps were held up by something else.
    if (rowsWorthAPass === undefined || rowsWorthAPass === 0 || ms === 0) return;
    const rowMs = ms / (rowsWorthAPass + rows);
    told = { passMs: rowMs * rowsWorthAPass, rowMs };
  }

  return {
    observe({ rowCount, passCount }, stepMs) {
      const rows = rowCount / passCount;
      lastMs = stepMs / passCount;
      line.add(rows, lastMs);
      if (rows !== lastRows) tell(rows);
      lastRows = rows;
    },
    passMs: () => told?.passMs ?? untoldShare * lastMs,
    rowMs: () => told?.rowMs ?? ((1 - untoldShare) * lastMs) / Math.max(lastRows, 1),
    rowsWorthAPass: () => (told === undefined ? undefined : told.passMs / told.rowMs),
  };
}
