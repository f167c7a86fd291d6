// What is measured of each tensor: how large the inputs of its products were.
// Why float64: millions of squares are added, and float32 would lose the small ones once the sum is large.

/** Of one tensor; matrices one after another. */
export interface ActivationSums {
  /** Values of a row. */
  readonly inputCount: number;
  /** Experts, or matrices stacked in the tensor; mostly 1. */
  readonly matrixCount: number;
  /** Whether rows chose their matrix, so that counts differ. */
  readonly isRouted: boolean;
  /** Sum of squares of each input. Shape (matrixCount, inputCount). */
  readonly squares: Float64Array;
  /** Rows that each matrix has met. Shape (matrixCount,). */
  readonly counts: Float64Array;
  /** Largest absolute value of each input. Shape (matrixCount, inputCount). */
  readonly maxima: Float32Array;
}

/** By name of the weight. */
export type SumsByTensor = ReadonlyMap<string, ActivationSums>;

export type SumsShape = Pick<ActivationSums, 'inputCount' | 'matrixCount' | 'isRouted'>;

export function emptySums({ inputCount, matrixCount, isRouted }: SumsShape): ActivationSums {
  const length = inputCount * matrixCount;
  return {
    inputCount,
    matrixCount,
    isRouted,
    squares: new Float64Array(length),
    counts: new Float64Array(matrixCount),
    maxima: new Float32Array(length),
  };
}
