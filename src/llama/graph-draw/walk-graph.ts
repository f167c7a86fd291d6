// The part of a graph that draws tokens by trying (walk.ts says how): for each row that asks for it, a few tokens from the whole
// vocabulary at the row's temperature, and for each how much weight lies above it.
// How a token is found without a sort: weights are summed over runs of the vocabulary, the run in which the cumulated weight
// passes the random number is picked, and the token within it in the same way. Sums are of float32: what they round is far
// below what a device rounds in the logits themselves.

import type { GraphMemoryPointer, TensorPointer } from '../activations/native-graph.ts';
import { tensorTypes } from '../tensor-types.ts';
import type { NativeSamplers } from './native-samplers.ts';
import { type TriedRow, tryCount } from './walk.ts';
import { type WalkMemory, wishField } from './walk-memory.ts';

export interface WalkInput {
  readonly native: NativeSamplers;
  readonly memory: GraphMemoryPointer;
  readonly walks: WalkMemory;
  /** Shape (rowCount, vocabularySize). */
  readonly logits: TensorPointer;
  readonly rowCount: number;
  readonly vocabularySize: number;
}

/** Tokens of one run; a vocabulary of 128,256 has 501. */
const runTokens = 256;
const floatBytes = 4;
/** Numbers of a row: the total, three of each try, then of each end-of-generation token. */
const valuesPerTry = 3;

export function walkValues({ endCount }: Pick<WalkMemory, 'endCount'>): number {
  return 1 + tryCount * valuesPerTry + endCount;
}

/** Reads what `addWalk` made of one row; `values` has shape (walkValues,). */
export function readTriedRow(values: Float32Array): TriedRow {
  const value = (index: number) => values[index] ?? Number.NaN;
  return {
    total: value(0),
    tries: Array.from({ length: tryCount }, (_, attempt) => {
      const start = 1 + attempt * valuesPerTry;
      return { token: value(start), distance: value(start + 1), weightAbove: value(start + 2) };
    }),
    endDistances: Array.from(values.subarray(1 + tryCount * valuesPerTry)),
  };
}

/** Shape (min(rowCount, walks.rowsMax), walkValues). */
export function addWalk(input: WalkInput): TensorPointer {
  const ops = operationsOf(input);
  const { walks, vocabularySize } = input;
  const count = Math.min(input.rowCount, walks.rowsMax);
  const wish = (field: number) => ops.flat(walks.wishes, count, field * walks.rowsMax);
  const asRow = (tensor: TensorPointer) => ops.shape2(tensor, 1, count);
  const logits = ops.rows(input.logits, ops.whole(wish(wishField.row)));
  const largest = ops.at(logits, ops.argmax(logits), { columns: vocabularySize, count });
  const distances = ops.sub(logits, largest);
  const weights = ops.exp(distances);
  const runCount = Math.ceil(vocabularySize / runTokens);
  const sharpened = ops.exp(ops.mul(distances, asRow(wish(wishField.sharpness))));
  const runs = ops.shape3(ops.padTo(sharpened, vocabularySize, runCount * runTokens), runTokens, runCount, count);
  const runSums = ops.shape2(ops.sumRows(runs), runCount, count);
  const cumulated = ops.cumulate(runSums);
  const total = ops.lastOf(cumulated, runCount, count);
  const parts = [ops.sumRows(weights)];
  for (let attempt = 0; attempt < tryCount; attempt++) {
    const target = ops.mul(asRow(wish(wishField.randoms + attempt)), total);
    const run = ops.firstAbove(cumulated, target, runCount);
    const before = ops.sub(
      ops.at(cumulated, run, { columns: runCount, count }),
      ops.at(runSums, run, { columns: runCount, count }),
    );
    const inRun = ops.cumulate(ops.shape2(ops.rows(runs, ops.shape2(ops.whole(run), 1, count)), runTokens, count));
    const offset = ops.firstAbove(inRun, ops.sub(target, before), runTokens);
    const token = ops.clamp(ops.add(ops.scale(run, runTokens), offset), 0, vocabularySize - 1);
    const distance = ops.at(distances, token, { columns: vocabularySize, count });
    const above = ops.sumRows(ops.mul(weights, ops.step(ops.sub(distances, distance))));
    parts.push(token, distance, above);
  }
  if (walks.ends !== undefined) {
    const ends = ops.view2(walks.ends, walks.endCount, count);
    parts.push(ops.shape2(ops.rows(ops.shape3(distances, 1, vocabularySize, count), ends), walks.endCount, count));
  }
  return parts.reduce(ops.beside);
}

/** ggml's operations in one graph, by what they are for here; all tensors are float32 unless said otherwise. */
function operationsOf({ native, memory }: WalkInput) {
  const { f32, i32 } = tensorTypes;
  const sub = (a: TensorPointer, b: TensorPointer) => native.ggml_sub(memory, a, b);
  const shape2 = (a: TensorPointer, n0: number, n1: number) => native.ggml_reshape_2d(memory, a, n0, n1);
  const shape3 = (...[a, n0, n1, n2]: [TensorPointer, number, number, number]) =>
    native.ggml_reshape_3d(memory, a, n0, n1, n2);
  const rows = (a: TensorPointer, indices: TensorPointer) => native.ggml_get_rows(memory, a, indices);
  const whole = (a: TensorPointer) => native.ggml_cast(memory, a, i32.id);
  const clamp = (a: TensorPointer, min: number, max: number) => native.ggml_clamp(memory, a, min, max);
  const scale = (a: TensorPointer, by: number, bias = 0) => native.ggml_scale_bias(memory, a, by, bias);
  const step = (a: TensorPointer) => native.ggml_step(memory, a);
  const sumRows = (a: TensorPointer) => native.ggml_sum_rows(memory, a);
  return {
    sub,
    shape2,
    shape3,
    rows,
    whole,
    clamp,
    scale,
    step,
    sumRows,
    add: (a: TensorPointer, b: TensorPointer) => native.ggml_add(memory, a, b),
    mul: (a: TensorPointer, b: TensorPointer) => native.ggml_mul(memory, a, b),
    exp: (a: TensorPointer) => native.ggml_exp(memory, a),
    cumulate: (a: TensorPointer) => native.ggml_cumsum(memory, a),
    beside: (a: TensorPointer, b: TensorPointer) => native.ggml_concat(memory, a, b, 0),
    argmax: (a: TensorPointer) => native.ggml_cast(memory, native.ggml_argmax(memory, a), f32.id),
    /** `count` values from the value `start` on. */
    flat: (a: TensorPointer, count: number, start: number) => native.ggml_view_1d(memory, a, count, start * floatBytes),
    /** The first `n1` rows of `n0` 32-bit values. */
    view2: (a: TensorPointer, n0: number, n1: number) => native.ggml_view_2d(memory, a, n0, n1, n0 * floatBytes, 0),
    padTo: (a: TensorPointer, columns: number, wanted: number) =>
      wanted === columns ? a : native.ggml_pad(memory, a, wanted - columns, 0, 0, 0),
    /** The last column, shape (count, 1). */
    lastOf: (a: TensorPointer, columns: number, count: number) =>
      native.ggml_cont(
        memory,
        native.ggml_view_2d(memory, a, 1, count, columns * floatBytes, (columns - 1) * floatBytes),
      ),
    /** One value of each row: `indices` holds a column for each; shape (count, 1). */
    at: (a: TensorPointer, indices: TensorPointer, { columns, count }: { columns: number; count: number }) =>
      shape2(rows(shape3(a, 1, columns, count), shape2(whole(clamp(indices, 0, columns - 1)), 1, count)), 1, count),
    /** The first column whose value is above the row's limit, the last if none is; shape (count, 1). */
    firstAbove: (a: TensorPointer, limit: TensorPointer, columns: number) =>
      clamp(scale(sumRows(step(sub(a, limit))), -1, columns), 0, columns - 1),
  };
}
