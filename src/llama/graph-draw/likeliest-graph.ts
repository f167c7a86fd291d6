// The part of a graph that draws each row's likeliest token, with a proof.
// Why a proof: the largest logit is the draw only if no other is as large (the host takes the lowest id of equals) and none is
// NaN, which argmax of one device or another treats as it likes. The sum of the signs of logit - largest is
// 1 - vocabularySize exactly when every other logit is smaller. Rows without that are drawn on the host.

import type { GraphMemoryPointer, TensorPointer } from '../activations/native-graph.ts';
import { tensorTypes } from '../tensor-types.ts';
import type { NativeSamplers } from './native-samplers.ts';

export interface LogitsInput {
  /** Shape (rowCount, vocabularySize). */
  readonly logits: TensorPointer;
  readonly rowCount: number;
  readonly vocabularySize: number;
}

/** Values of a row: the token of the largest logit, and its proof. */
export const likeliestValues = 2;

export function isProven(proof: number, vocabularySize: number): boolean {
  return proof === 1 - vocabularySize;
}

/** Shape (rowCount, likeliestValues), float32. */
export function addLikeliest(native: NativeSamplers, memory: GraphMemoryPointer, input: LogitsInput): TensorPointer {
  const { logits, rowCount, vocabularySize } = input;
  const { f32, i32 } = tensorTypes;
  // On some devices argmax answers -1 where every logit is NaN or -Infinity, and a row must not be looked up there.
  const anywhere = native.ggml_cast(memory, native.ggml_argmax(memory, logits), f32.id);
  const found = native.ggml_clamp(memory, anywhere, 0, vocabularySize - 1);
  const column = native.ggml_reshape_2d(memory, native.ggml_cast(memory, found, i32.id), 1, rowCount);
  const each = native.ggml_reshape_3d(memory, logits, 1, vocabularySize, rowCount);
  const largest = native.ggml_reshape_2d(memory, native.ggml_get_rows(memory, each, column), 1, rowCount);
  const signs = native.ggml_sgn(memory, native.ggml_sub(memory, logits, largest));
  const proof = native.ggml_sum_rows(memory, signs);
  return native.ggml_concat(memory, native.ggml_reshape_2d(memory, found, 1, rowCount), proof, 0);
}
