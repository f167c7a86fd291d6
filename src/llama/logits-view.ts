// The logits of the last decode, seen as one typed array over llama.cpp's own output buffer.
// Why the views are kept, of all and of each row: the buffer moves only when it grows, and making a view costs more than a
// step should; one for each row and step was a tenth of what the engine process allocated.

import koffi from 'koffi';
import { assert, must } from '../assert.ts';
import type { StepBatch } from '../kernel-port.ts';
import type { ContextPointer, Native } from './native.ts';

export interface LogitsView {
  /** Finds the rows of the batch that was just decoded; `rowCount` of them were marked as output. */
  refresh(batch: StepBatch, tokenCount: number): void;
  /** All rows, shape (rowCount, vocabularySize); writable, valid until the next decode. */
  values(): Float32Array;
  /** One row of them, shape (vocabularySize,). */
  row(row: number): Float32Array;
  /** Which row belongs to a row of the batch. */
  rowOf(batchIndex: number): number;
  /** Address of `values()`, for threads that make their own view. */
  address(): bigint;
  readonly vocabularySize: number;
}

export interface LogitsSource {
  readonly native: Native;
  readonly context: ContextPointer;
  readonly vocabularySize: number;
  readonly batchTokensMax: number;
}

export function createLogitsView(source: LogitsSource): LogitsView {
  const { native, context, vocabularySize } = source;
  /** Row of each batch index, -1 where no logits were asked. Shape (batchTokensMax,). */
  const rows = new Int32Array(source.batchTokensMax);
  let address = 0n;
  let view = new Float32Array(0);
  let rowViews: Float32Array[] = [];

  function place(rowCount: number): void {
    if (rowCount === 0) return;
    const found = native.llama_get_logits(context);
    assert(found !== null, 'a context that decoded has logits');
    if (found === address && view.length >= rowCount * vocabularySize) return;
    address = found;
    view = new Float32Array(koffi.view(found, rowCount * vocabularySize * 4));
    rowViews = [];
  }

  return {
    vocabularySize,
    refresh({ outputs }, tokenCount) {
      let rowCount = 0;
      for (let index = 0; index < tokenCount; index++) rows[index] = outputs[index] === 0 ? -1 : rowCount++;
      rows.fill(-1, tokenCount);
      place(rowCount);
    },
    values: () => view,
    row(row) {
      const kept = rowViews[row];
      if (kept !== undefined) return kept;
      // In order, so that the list has no holes.
      for (let next = rowViews.length; next <= row; next++) {
        rowViews.push(view.subarray(next * vocabularySize, (next + 1) * vocabularySize));
      }
      return must(rowViews[row], 'a row of the last decode');
    },
    rowOf(batchIndex) {
      const row = rows[batchIndex] ?? -1;
      assert(row >= 0, `batch row ${batchIndex} was marked as output`);
      return row;
    },
    address: () => address,
  };
}
