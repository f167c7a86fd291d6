// What a matrix product of the graph was given: rows of inputs, and which matrix of the weight each of them met.
// Why a port: what is made of the rows (sums of squares, maxima) is nothing that the native side should know.

/** One product's inputs. Valid during the call that hands them over, not longer. */
export interface ProductInputs {
  /** The weight's name in the model file. */
  readonly weight: string;
  /** Values of a row. */
  readonly inputCount: number;
  /** Matrices in the weight: 1, experts, or heads of a stacked weight. */
  readonly matrixCount: number;
  /** Whether each row chose its matrix: then matrices see different numbers of rows. */
  readonly isRouted: boolean;
  readonly values: Float32Array;
  /** Index in `values` where each row begins. Shape (rowCount,). */
  readonly rowStarts: Int32Array;
  /** The matrix that each row meets. Shape (rowCount,). */
  readonly rowMatrices: Int32Array;
}

export interface ProductSink {
  product(inputs: ProductInputs): void;
  /** `weight` multiplies the very inputs of the last `product`; nothing is computed twice for it. */
  sameInputs(weight: string): void;
}
