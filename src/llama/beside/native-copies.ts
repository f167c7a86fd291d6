// The functions of ggml-base that find the tensors of the cache in a graph and copy between them and host memory.
// Why on another thread: with CUDA each waits for its copy, on a stream of its own thread, and the JavaScript thread need not.
// Source: ggml/include/ggml.h and ggml-backend.h of llama.cpp v0.5.0.

import type { TensorPointer } from '../activations/native-graph.ts';
import type { GraphPointer } from '../graph-draw/native-samplers.ts';
import { bindTable, type NativeFunction, type Prototype } from '../native.ts';

export interface NativeCopies {
  ggml_graph_get_tensor(graph: GraphPointer, name: string): TensorPointer | null;
  readonly ggml_backend_tensor_get: NativeFunction<
    [tensor: TensorPointer, to: Uint8Array, offset: number, bytes: number],
    void
  >;
  ggml_backend_tensor_set(tensor: TensorPointer, from: Uint8Array, offset: number, bytes: number): void;
}

const prototypes = {
  ggml_graph_get_tensor: ['void*', ['void*', 'str']],
  ggml_backend_tensor_get: ['void', ['void*', 'void*', 'size_t', 'size_t']],
  ggml_backend_tensor_set: ['void', ['void*', 'void*', 'size_t', 'size_t']],
} as const satisfies Record<keyof NativeCopies, Prototype>;

/** Binds the functions in the ggml-base library at `path`; throws when one is missing. */
export function bindCopies(path: string): NativeCopies {
  return bindTable(path, prototypes) as unknown as NativeCopies;
}
