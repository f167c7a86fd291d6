// The vectors of an input's tokens become its one, a pass after another.
// Why here and not in the graph: llama.cpp pools what one call computes, and a long input takes several calls.
// Source: the poolings of llama.cpp v0.5.0; sums are kept in 64 bits, so that the order of passes does not show.

import { assertNever } from '../../assert.ts';
import type { Pooling } from '../../embedding-port.ts';

export interface PooledRows {
  /** Takes the next tokens' vectors, shape (rows, size); the values are copied. */
  add(rows: Float32Array): void;
  /** The input's vector: shape (size,), or with `none` (tokens, size). */
  result(): Float32Array;
}

export function createPooledRows(pooling: Exclude<Pooling, 'rank'>, size: number): PooledRows {
  switch (pooling) {
    case 'mean':
      return meanRows(size);
    case 'cls':
      return oneRow((rows, kept) => kept ?? rows.slice(0, size));
    case 'last':
      return oneRow((rows) => rows.slice(rows.length - size));
    case 'none':
      return allRows();
    default:
      return assertNever(pooling);
  }
}

function meanRows(size: number): PooledRows {
  const sums = new Float64Array(size);
  let rowCount = 0;
  return {
    add(rows) {
      for (let from = 0; from < rows.length; from += size) {
        for (let index = 0; index < size; index++) sums[index] = (sums[index] ?? 0) + (rows[from + index] ?? 0);
        rowCount += 1;
      }
    },
    result: () => Float32Array.from(sums, (sum) => sum / rowCount),
  };
}

function oneRow(choose: (rows: Float32Array, kept: Float32Array | undefined) => Float32Array): PooledRows {
  let kept: Float32Array | undefined;
  return {
    add(rows) {
      kept = choose(rows, kept);
    },
    result: () => kept ?? new Float32Array(0),
  };
}

function allRows(): PooledRows {
  const pieces: Float32Array[] = [];
  return {
    add: (rows) => void pieces.push(rows.slice()),
    result() {
      const all = new Float32Array(pieces.reduce((length, piece) => length + piece.length, 0));
      let offset = 0;
      for (const piece of pieces) {
        all.set(piece, offset);
        offset += piece.length;
      }
      return all;
    },
  };
}
