// The memory that the scoring threads share: which rows of which logits, who takes the next, and the results.
// Why a round ends only when every thread has said so: a thread that wakes late then never meets logits of another step.
// That costs a wake-up a round; a round of evaluation has hundreds of rows, so it does not show.

import { createForeignLogits, type RowsOf } from '../foreign-logits.ts';
import { compareRows, field, surveyRow } from './row-math.ts';

/** Entries of `control`. */
export const control = { round: 0, nextRow: 1, rowCount: 2, busyCount: 3, stop: 4, length: 5 } as const;

export interface Round {
  /** Shape (control.length,). */
  readonly control: Int32Array;
  /** Address and row count of the logits, then of the reference's; a row count of 0 means no reference. Shape (4,). */
  readonly sources: BigInt64Array;
  /** Row within the logits, and within the reference's. Shape (rowsMax, 2). */
  readonly rows: Int32Array;
  /** Shape (rowsMax, field.length). */
  readonly results: Float64Array;
}

/** Rows taken at once: fewer visits to the shared counter. */
const rowsPerTurn = 4;
const controlBytes = 24;
const sourceBytes = 4 * 8;

export function allocateRound(rowsMax: number): SharedArrayBuffer {
  return new SharedArrayBuffer(controlBytes + sourceBytes + rowsMax * (field.length * 8 + 2 * 4));
}

export function viewRound(memory: SharedArrayBuffer): Round {
  const rowsMax = (memory.byteLength - controlBytes - sourceBytes) / (field.length * 8 + 2 * 4);
  const resultsStart = controlBytes + sourceBytes;
  return {
    control: new Int32Array(memory, 0, control.length),
    sources: new BigInt64Array(memory, controlBytes, 4),
    results: new Float64Array(memory, resultsStart, rowsMax * field.length),
    rows: new Int32Array(memory, resultsStart + rowsMax * field.length * 8, rowsMax * 2),
  };
}

/** Both kernels' logits as any thread sees them. */
export function createRowViews({ sources }: Round, vocabularySize: number): { logits: RowsOf; reference: RowsOf } {
  return {
    logits: createForeignLogits(sources.subarray(0, 2), vocabularySize),
    reference: createForeignLogits(sources.subarray(2, 4), vocabularySize),
  };
}

/** Takes rows of the open round and computes them, until none is left. */
export function scoreRows(round: Round, views: { logits: RowsOf; reference: RowsOf }): void {
  const rowCount = Atomics.load(round.control, control.rowCount);
  const isPair = round.sources[3] !== 0n;
  for (;;) {
    const first = Atomics.add(round.control, control.nextRow, rowsPerTurn);
    if (first >= rowCount) return;
    for (let row = first; row < Math.min(first + rowsPerTurn, rowCount); row++) {
      const logits = views.logits(round.rows[2 * row] as number);
      if (isPair) {
        const reference = views.reference(round.rows[2 * row + 1] as number);
        compareRows({ logits, reference }, round.results, row * field.length);
      } else surveyRow(logits, round.results, row * field.length);
    }
  }
}
