// The functions of ggml-base that find the tensors of the cache in a graph and copy between them and host memory.
// Source: ggml/include/ggml.h and ggml-backend.h of llama.cpp v0.5.0.

import type { Brand } from '../../ids.ts';
import type { TensorPointer } from '../activations/native-graph.ts';
import type { GraphPointer } from '../graph-draw/native-samplers.ts';
import type { BufferPointer, BufferTypePointer } from '../host-memory.ts';
import { bindTable, type DevicePointer, type NativeFunction, type Prototype } from '../native.ts';

export type BackendPointer = Brand<bigint, 'ggml_backend'>;

export interface NativeCopies {
  ggml_graph_get_tensor(graph: GraphPointer, name: string): TensorPointer | null;
  ggml_backend_buffer_get_type(buffer: BufferPointer): BufferTypePointer;
  /** Null for memory of the CPU's. */
  ggml_backend_buft_get_device(type: BufferTypePointer): DevicePointer | null;
  /** With a stream of its own, in whose order its copies are made. */
  ggml_backend_dev_init(device: DevicePointer, parameters: null): BackendPointer | null;
  ggml_backend_free(backend: BackendPointer): void;
  /** Return when the copy is asked for; the memory is the copy's until the backend was synchronized. */
  ggml_backend_tensor_get_async(
    backend: BackendPointer,
    tensor: TensorPointer,
    to: Uint8Array,
    offset: number,
    bytes: number,
  ): void;
  ggml_backend_tensor_set_async(
    backend: BackendPointer,
    tensor: TensorPointer,
    from: Uint8Array,
    offset: number,
    bytes: number,
  ): void;
  readonly ggml_backend_synchronize: NativeFunction<[backend: BackendPointer], void>;
  ggml_backend_tensor_get(tensor: TensorPointer, to: Uint8Array, offset: number, bytes: number): void;
  ggml_backend_tensor_set(tensor: TensorPointer, from: Uint8Array, offset: number, bytes: number): void;
}

const prototypes = {
  ggml_graph_get_tensor: ['void*', ['void*', 'str']],
  ggml_backend_buffer_get_type: ['void*', ['void*']],
  ggml_backend_buft_get_device: ['void*', ['void*']],
  ggml_backend_dev_init: ['void*', ['void*', 'void*']],
  ggml_backend_free: ['void', ['void*']],
  ggml_backend_tensor_get_async: ['void', ['void*', 'void*', 'void*', 'size_t', 'size_t']],
  ggml_backend_tensor_set_async: ['void', ['void*', 'void*', 'void*', 'size_t', 'size_t']],
  ggml_backend_synchronize: ['void', ['void*']],
  ggml_backend_tensor_get: ['void', ['void*', 'void*', 'size_t', 'size_t']],
  ggml_backend_tensor_set: ['void', ['void*', 'void*', 'size_t', 'size_t']],
} as const satisfies Record<keyof NativeCopies, Prototype>;

/** Binds the functions in the ggml-base library at `path`; throws when one is missing. */
export function bindCopies(path: string): NativeCopies {
  return bindTable(path, prototypes) as unknown as NativeCopies;
}
