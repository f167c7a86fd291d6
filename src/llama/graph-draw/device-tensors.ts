// Tensors in memory of the device that outlives graphs.

import { assert } from '../../assert.ts';
import type { GraphMemoryPointer, NativeGraph } from '../activations/native-graph.ts';
import type { DevicePointer } from '../native.ts';
import type { NativeSamplers } from './native-samplers.ts';

export interface DevicePlace {
  readonly native: NativeSamplers;
  readonly graph: NativeGraph;
  /** Undefined where the CPU computes. */
  readonly device: DevicePointer | undefined;
}

export interface DeviceTensors<T> {
  readonly tensors: T;
  dispose(): void;
}

/** Room for the structs of a few tensors. */
const structBytes = 4096;

/** ggml's memory for the structs of a few tensors. */
export function openStructs(graph: NativeGraph): GraphMemoryPointer {
  const memory = graph.ggml_init({ mem_size: structBytes, mem_buffer: null, no_alloc: true });
  assert(memory !== null, 'ggml gives a few tensors their memory');
  return memory;
}

/** Allocates what `make` makes. Throws, saying what for, when the device has no memory left. */
export function placeTensors<T>(
  { native, graph, device }: DevicePlace,
  purpose: string,
  make: (memory: GraphMemoryPointer) => T,
): DeviceTensors<T> {
  const memory = openStructs(graph);
  const tensors = make(memory);
  const type =
    device === undefined ? native.ggml_backend_cpu_buffer_type() : native.ggml_backend_dev_buffer_type(device);
  const buffer = native.ggml_backend_alloc_ctx_tensors_from_buft(memory, type);
  if (buffer === null) {
    graph.ggml_free(memory);
    throw new Error(`the device has no memory left ${purpose}`);
  }
  return {
    tensors,
    dispose() {
      native.ggml_backend_buffer_free(buffer);
      graph.ggml_free(memory);
    },
  };
}
