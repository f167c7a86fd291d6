// An importance matrix: the sums of squares of each tensor's inputs, with what they were measured on; and their largest, for smoothing.
// Why one count for a weight whose matrices all saw every row: llama.cpp's tools write and expect it so.

import type { ActivationSums } from './sums.ts';

/** What a file holds of one tensor. */
export interface MatrixEntry {
  /** Sum of squares of each input, matrix after matrix. Shape (counts.length, inputs). */
  readonly squares: Float32Array;
  /** Rows that went into each matrix; one for all of them unless rows chose. */
  readonly counts: Float32Array;
  /** Largest absolute value of each input, matrix after matrix; undefined in files of llama.cpp's tools, which have none. */
  readonly maxima: Float32Array | undefined;
}

export interface MatrixOrigin {
  /** The texts, as they were named. */
  readonly datasets: readonly string[];
  /** Windows, and tokens of one; undefined where a file does not tell. */
  readonly chunkCount: number | undefined;
  readonly chunkTokens: number | undefined;
}

export interface MatrixFile extends MatrixOrigin {
  readonly entries: ReadonlyMap<string, MatrixEntry>;
}

/** Mean square of each input; 1 for a matrix that no row went to, which is then as important everywhere. */
export function meanSquares({ squares, counts }: Pick<MatrixEntry, 'squares' | 'counts'>): Float32Array {
  const inputs = squares.length / counts.length;
  return squares.map((sum, index) => {
    const count = counts[Math.floor(index / inputs)] ?? 0;
    return count > 0 ? sum / count : 1;
  });
}

/** Sums as a file holds them. */
export function matrixEntry({ squares, counts, maxima, isRouted }: ActivationSums): MatrixEntry {
  return {
    squares: Float32Array.from(squares),
    counts: Float32Array.from(isRouted ? counts : counts.subarray(0, 1)),
    maxima: maxima.slice(),
  };
}
