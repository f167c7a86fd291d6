// Logits of a step's passes that others follow: what a graph leaves is overwritten by the next, and somebody may still read
// some of these rows when the whole step was computed.
// Why on the device: nearly all are drawn there and never read. With slabs the pass of all that decode comes before the rest of
// a prompt, 60 rows of 128,256 logits: 0.6 ms to the host on an H100, 0.07 within it.

import { assert } from '../../assert.ts';
import type { TensorPointer } from '../activations/native-graph.ts';
import { type ContextOptions, nativeSeqMax, outputsMaxOf } from '../context.ts';
import { tensorTypes } from '../tensor-types.ts';
import { type DevicePlace, openStructs, placeTensors } from './device-tensors.ts';

export interface KeptLogits {
  /** Shape (rowsMax, vocabularySize), float32: rows by their place in the step. */
  readonly logits: TensorPointer;
  /** Copies all rows of a pass, `count` of them, to rows [from, from + count). */
  keep(passLogits: TensorPointer, to: { readonly from: number; readonly count: number }): void;
  dispose(): void;
}

export interface KeptLogitsSource extends DevicePlace {
  readonly rowsMax: number;
  readonly vocabularySize: number;
}

const valueBytes = 4;

/** Most rows that passes before a step's last one may leave; 0 where a step is always one pass. */
export function keptRowsMax(options: ContextOptions): number {
  const { layout, batchTokensMax, microBatchTokens, cellCount } = options;
  const isCut = Math.min(batchTokensMax, cellCount) > microBatchTokens;
  // Slabs of different lengths are computed in passes of their own (slab-passes.ts).
  const isSplit = layout === 'per-sequence' && nativeSeqMax(options) > 1;
  return isCut || isSplit ? outputsMaxOf(options) : 0;
}

/** What they take of the device's memory. */
export function keptLogitsBytes(options: ContextOptions): number {
  return keptRowsMax(options) * options.model.vocabularySize * valueBytes;
}

/** Allocates for `rowsMax` rows; throws when the device has no memory left. */
export function createKeptLogits(source: KeptLogitsSource): KeptLogits {
  const { native, graph, rowsMax, vocabularySize } = source;
  const placed = placeTensors(source, `to keep ${rowsMax} rows of logits`, (memory) =>
    graph.ggml_new_tensor_2d(memory, tensorTypes.f32.id, vocabularySize, rowsMax),
  );
  const logits = placed.tensors;
  const rowBytes = vocabularySize * valueBytes;
  const views = openStructs(graph);

  function viewOf(from: number, count: number): TensorPointer {
    graph.ggml_reset(views);
    const view = native.ggml_view_2d(views, logits, vocabularySize, count, rowBytes, from * rowBytes);
    assert(native.ggml_backend_view_init(view) === 0, 'a view lies in the memory of what it views');
    return view;
  }

  return {
    logits,
    keep(passLogits, { from, count }) {
      assert(from + count <= rowsMax, `at most ${rowsMax} rows are kept. Given: ${from} and ${count} more`);
      native.ggml_backend_tensor_copy(passLogits, viewOf(from, count));
    },
    dispose() {
      graph.ggml_free(views);
      placed.dispose();
    },
  };
}
