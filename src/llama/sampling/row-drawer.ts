// Draws rows of a round until none is left: the same code on the engine's thread and on the sampling threads.

import type { RowsOf } from '../foreign-logits.ts';
import { type DrawMemory, drawToken } from './draw.ts';
import { applyMask } from './mask.ts';
import { finishRow, maskOf, readRow, type SharedRows, type TakenRow, takeRow } from './shared-rows.ts';

/** Where a thread finds the logits of a row, and its arrays. */
export interface RowDrawer {
  readonly logitsOf: RowsOf;
  readonly memory: DrawMemory;
}

/** Takes rows of the open round one after another until none is left. */
export function drawRows(shared: SharedRows, drawer: RowDrawer): void {
  for (let taken = takeRow(shared); taken !== undefined; taken = takeRow(shared)) drawRow(shared, taken, drawer);
}

/** Draws one row; harmless when another thread draws it too, because a draw has no state. */
export function drawRow(shared: SharedRows, taken: TakenRow, { logitsOf, memory }: RowDrawer): void {
  const record = readRow(shared, taken.row);
  const logits = logitsOf(record.logitsRow);
  if (record.isMasked) applyMask(logits, maskOf(shared, taken.row));
  finishRow(shared, taken, drawToken(logits, record, record, memory));
}
