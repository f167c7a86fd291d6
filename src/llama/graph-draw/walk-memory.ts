// What a graph reads to draw by trying, in memory of the device that outlives graphs: which rows, their temperatures, their
// random numbers. Written before each pass; a graph that is computed again reads what is there then.

import { assert } from '../../assert.ts';
import type { TokenId } from '../../ids.ts';
import type { SampleRow } from '../../kernel-port.ts';
import type { TensorPointer } from '../activations/native-graph.ts';
import { tensorTypes } from '../tensor-types.ts';
import { type DevicePlace, placeTensors } from './device-tensors.ts';
import { tryCount, tryRandom } from './walk.ts';

/** Rows of `wishes`: the row of the logits, 1 / temperature, then a random number for each try. */
export const wishField = { row: 0, sharpness: 1, randoms: 2, count: 2 + tryCount } as const;

export interface WalkMemory {
  /** Shape (wishField.count, rowsMax), float32. */
  readonly wishes: TensorPointer;
  /** The end-of-generation tokens, once for each row; shape (rowsMax, endCount), int32. Undefined where there are none. */
  readonly ends: TensorPointer | undefined;
  readonly endCount: number;
  readonly rowsMax: number;
  /** What to draw with the next pass: at most `rowsMax` rows, each with its row among the pass's logits. */
  write(rows: readonly { readonly row: SampleRow; readonly logitsRow: number }[]): void;
  dispose(): void;
}

export interface WalkMemorySource extends DevicePlace {
  readonly rowsMax: number;
  readonly endTokenIds: readonly TokenId[];
}

export function createWalkMemory(source: WalkMemorySource): WalkMemory {
  const { native, graph, rowsMax, endTokenIds } = source;
  const endCount = endTokenIds.length;
  const placed = placeTensors(source, 'to draw with', (memory) => ({
    wishes: graph.ggml_new_tensor_2d(memory, tensorTypes.f32.id, rowsMax, wishField.count),
    ends: endCount === 0 ? undefined : graph.ggml_new_tensor_2d(memory, tensorTypes.i32.id, endCount, rowsMax),
  }));
  const { wishes, ends } = placed.tensors;
  const values = new Float32Array(wishField.count * rowsMax);

  function upload(tensor: TensorPointer, from: Float32Array | Int32Array): void {
    native.ggml_backend_tensor_set(tensor, new Uint8Array(from.buffer), 0, from.byteLength);
  }

  function write(rows: readonly { readonly row: SampleRow; readonly logitsRow: number }[]): void {
    assert(rows.length <= rowsMax, `at most ${rowsMax} rows are drawn with a pass. Given: ${rows.length}`);
    // Places that nobody wants compute row 0, which every pass with outputs has.
    values.fill(0);
    for (const [index, { row, logitsRow }] of rows.entries()) {
      values[wishField.row * rowsMax + index] = logitsRow;
      values[wishField.sharpness * rowsMax + index] = Math.min(1 / row.sampling.temperature, sharpnessMax);
      for (let attempt = 0; attempt < tryCount; attempt++)
        values[(wishField.randoms + attempt) * rowsMax + index] = tryRandom(row, attempt);
    }
    upload(wishes, values);
  }

  write([]);
  if (ends !== undefined)
    upload(
      ends,
      Int32Array.from({ length: rowsMax * endCount }, (_, index) => endTokenIds[index % endCount] ?? 0),
    );
  return {
    wishes,
    ends,
    endCount,
    rowsMax,
    write,
    dispose: placed.dispose,
  };
}

/** Times any distance of logits it stays finite. */
const sharpnessMax = 1e30;
