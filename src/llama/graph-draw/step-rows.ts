// The output rows of one step, over all its passes: where each is, and its likeliest token.

import { assert } from '../../assert.ts';
import type { TensorPointer } from '../activations/native-graph.ts';
import { isProven, likeliestValues } from './likeliest-graph.ts';
import type { NativeSamplers } from './native-samplers.ts';

export interface StepRows {
  /** Begins another step. */
  restart(): void;
  /** Adds the rows of a pass, by their indices in the batch, and reads their draws; answers the first's row in the step. */
  add(batchIndices: readonly number[], drawn: TensorPointer): number;
  /** Throws for a row of the batch that got no logits. */
  rowOf(batchIndex: number): number;
  /** Undefined where the graph could not prove it. */
  likeliestOf(batchIndex: number): number | undefined;
}

export interface StepRowsSource {
  readonly native: NativeSamplers;
  readonly batchTokensMax: number;
  readonly rowsMax: number;
  readonly vocabularySize: number;
}

export function createStepRows({ native, batchTokensMax, rowsMax, vocabularySize }: StepRowsSource): StepRows {
  /** Row of each batch index, -1 where no logits were asked. Shape (batchTokensMax,). */
  const rowOfIndex = new Int32Array(batchTokensMax).fill(-1);
  /** Shape (rowsMax, likeliestValues). */
  const likeliest = new Float32Array(rowsMax * likeliestValues);
  let rowCount = 0;

  function rowOf(batchIndex: number): number {
    const row = rowOfIndex[batchIndex] ?? -1;
    assert(row >= 0, `batch row ${batchIndex} was marked as output`);
    return row;
  }

  return {
    restart() {
      rowOfIndex.fill(-1);
      rowCount = 0;
    },
    add(batchIndices, drawn) {
      const first = rowCount;
      for (const batchIndex of batchIndices) rowOfIndex[batchIndex] = rowCount++;
      assert(rowCount <= rowsMax, `a step has at most ${rowsMax} output rows. Given: ${rowCount}`);
      const target = likeliest.subarray(first * likeliestValues, rowCount * likeliestValues);
      const bytes = new Uint8Array(target.buffer, target.byteOffset, target.byteLength);
      native.ggml_backend_tensor_get(drawn, bytes, 0, bytes.length);
      return first;
    },
    rowOf,
    likeliestOf(batchIndex) {
      const start = rowOf(batchIndex) * likeliestValues;
      return isProven(likeliest[start + 1] ?? 0, vocabularySize) ? likeliest[start] : undefined;
    },
  };
}
