// Logits as a thread of its own sees them: views over the kernel's native memory, made anew when that moved or grew.

import koffi from 'koffi';

/** Answers one row of logits, shape (vocabularySize,). */
export type RowsOf = (row: number) => Float32Array;

/** `source`: the memory's address and its row count, as another thread writes them. Shape (2,). */
export function createForeignLogits(source: BigInt64Array, vocabularySize: number): RowsOf {
  let address = 0n;
  let view = new Float32Array(0);
  return (row) => {
    const current = source[0] as bigint;
    const length = Number(source[1]) * vocabularySize;
    if (current !== address || view.length < length) {
      address = current;
      view = new Float32Array(koffi.view(current, length * 4));
    }
    return view.subarray(row * vocabularySize, (row + 1) * vocabularySize);
  };
}
