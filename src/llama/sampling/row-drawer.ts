// Draws rows of a round until none is left: the same code on the engine's thread and on the sampling threads.

import koffi from 'koffi';
import { type DrawMemory, drawToken } from './draw.ts';
import { applyMask } from './mask.ts';
import { finishRow, maskOf, readRow, type SharedRows, type TakenRow, takeRow } from './shared-rows.ts';

/** Where a thread finds the logits of a row, and its arrays. */
export interface RowDrawer {
  readonly logitsOf: (row: number) => Float32Array;
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

/** The logits of the open round as a thread of its own sees them: a view over the same native memory. */
export function createForeignLogits(shared: SharedRows, vocabularySize: number): (row: number) => Float32Array {
  let address = 0n;
  let view = new Float32Array(0);
  return (row) => {
    const current = shared.logits[0] as bigint;
    const rowCount = Number(shared.logits[1]);
    if (current !== address || view.length < rowCount * vocabularySize) {
      address = current;
      view = new Float32Array(koffi.view(current, rowCount * vocabularySize * 4));
    }
    return view.subarray(row * vocabularySize, (row + 1) * vocabularySize);
  };
}
