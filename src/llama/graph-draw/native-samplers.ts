// The functions of llama.cpp that put samplers into its graph, and those of ggml that such a sampler builds with.
// Why a table of its own: a build without them still serves; drawing then stays on the host.
// Source: include/llama.h, ggml/include/ggml.h and ggml-backend.h of llama.cpp v0.5.0.

import koffi from 'koffi';
import type { Brand } from '../../ids.ts';
import type { GraphMemoryPointer, TensorPointer } from '../activations/native-graph.ts';
import type { BufferPointer } from '../host-memory.ts';
import { bindTable, type ContextPointer, type NativePaths, type Prototype } from '../native.ts';

export type SamplerPointer = Brand<bigint, 'llama_sampler'>;
export type GraphPointer = Brand<bigint, 'ggml_cgraph'>;

type Operation = (memory: GraphMemoryPointer, tensor: TensorPointer) => TensorPointer;
type PairOperation = (memory: GraphMemoryPointer, first: TensorPointer, second: TensorPointer) => TensorPointer;

export interface NativeSamplers {
  /** `callbacks`: the address of a llama_sampler_i, which must outlive the sampler. */
  llama_sampler_init(callbacks: bigint, context: null): SamplerPointer;
  llama_sampler_chain_init(params: { readonly no_perf: boolean }): SamplerPointer;
  /** The chain owns the sampler from then on. */
  llama_sampler_chain_add(chain: SamplerPointer, sampler: SamplerPointer): void;
  /** With k <= 0 a sampler that leaves everything as it is, also inside a graph. */
  llama_sampler_init_top_k(k: number): SamplerPointer;
  llama_sampler_free(sampler: SamplerPointer): void;

  /** Set to another value and back it makes llama.cpp lay out its graphs anew with the next decode. */
  llama_set_causal_attn(context: ContextPointer, isCausal: boolean): void;

  readonly ggml_argmax: Operation;
  readonly ggml_sgn: Operation;
  readonly ggml_step: Operation;
  readonly ggml_exp: Operation;
  readonly ggml_cont: Operation;
  readonly ggml_cumsum: Operation;
  readonly ggml_sum_rows: Operation;
  readonly ggml_add: PairOperation;
  readonly ggml_sub: PairOperation;
  readonly ggml_mul: PairOperation;
  readonly ggml_get_rows: PairOperation;
  ggml_scale_bias(memory: GraphMemoryPointer, tensor: TensorPointer, scale: number, bias: number): TensorPointer;
  ggml_pad(...args: [GraphMemoryPointer, TensorPointer, n0: number, n1: number, n2: number, n3: number]): TensorPointer;
  ggml_view_1d(memory: GraphMemoryPointer, tensor: TensorPointer, count: number, offset: number): TensorPointer;
  ggml_view_2d(
    ...args: [GraphMemoryPointer, TensorPointer, n0: number, n1: number, rowBytes: number, offset: number]
  ): TensorPointer;
  ggml_clamp(memory: GraphMemoryPointer, tensor: TensorPointer, min: number, max: number): TensorPointer;
  ggml_cast(memory: GraphMemoryPointer, tensor: TensorPointer, type: number): TensorPointer;
  ggml_concat(...args: [GraphMemoryPointer, TensorPointer, TensorPointer, dimension: number]): TensorPointer;
  ggml_reshape_2d(...args: [GraphMemoryPointer, TensorPointer, n0: number, n1: number]): TensorPointer;
  ggml_reshape_3d(...args: [GraphMemoryPointer, TensorPointer, n0: number, n1: number, n2: number]): TensorPointer;
  ggml_set_output(tensor: TensorPointer): void;
  ggml_build_forward_expand(graph: GraphPointer, tensor: TensorPointer): void;
  ggml_backend_tensor_set(tensor: TensorPointer, from: Uint8Array, offset: number, bytes: number): void;
  /** Copies bytes from wherever the tensor lives; what computes it must have finished (native-decode.ts waits for that). */
  ggml_backend_tensor_get(tensor: TensorPointer, to: bigint | Uint8Array, offset: number, bytes: number): void;
  /** Between tensors of one layout, within a device or across; as above of what computes `from`. */
  ggml_backend_tensor_copy(from: TensorPointer, to: TensorPointer): void;
  /** Gives a view that was made without memory its place in what it views; answers 0. */
  ggml_backend_view_init(view: TensorPointer): number;

  ggml_backend_cpu_buffer_type(): bigint;
  ggml_backend_dev_buffer_type(device: bigint): bigint;
  ggml_backend_alloc_ctx_tensors_from_buft(memory: GraphMemoryPointer, type: bigint): BufferPointer | null;
  ggml_backend_buffer_free(buffer: BufferPointer): void;
}

const chainParamsStruct = koffi.struct({ no_perf: 'bool' });

const llamaPrototypes = {
  llama_sampler_init: ['void*', ['void*', 'void*']],
  llama_sampler_chain_init: ['void*', [chainParamsStruct]],
  llama_sampler_chain_add: ['void', ['void*', 'void*']],
  llama_sampler_init_top_k: ['void*', ['int32_t']],
  llama_sampler_free: ['void', ['void*']],
  llama_set_causal_attn: ['void', ['void*', 'bool']],
} as const satisfies Record<string, Prototype>;

const ggmlBasePrototypes = {
  ggml_argmax: ['void*', ['void*', 'void*']],
  ggml_sgn: ['void*', ['void*', 'void*']],
  ggml_step: ['void*', ['void*', 'void*']],
  ggml_exp: ['void*', ['void*', 'void*']],
  ggml_cont: ['void*', ['void*', 'void*']],
  ggml_cumsum: ['void*', ['void*', 'void*']],
  ggml_sum_rows: ['void*', ['void*', 'void*']],
  ggml_add: ['void*', ['void*', 'void*', 'void*']],
  ggml_mul: ['void*', ['void*', 'void*', 'void*']],
  ggml_scale_bias: ['void*', ['void*', 'void*', 'float', 'float']],
  ggml_pad: ['void*', ['void*', 'void*', 'int', 'int', 'int', 'int']],
  ggml_view_1d: ['void*', ['void*', 'void*', 'int64_t', 'size_t']],
  ggml_view_2d: ['void*', ['void*', 'void*', 'int64_t', 'int64_t', 'size_t', 'size_t']],
  ggml_sub: ['void*', ['void*', 'void*', 'void*']],
  ggml_get_rows: ['void*', ['void*', 'void*', 'void*']],
  ggml_clamp: ['void*', ['void*', 'void*', 'float', 'float']],
  ggml_cast: ['void*', ['void*', 'void*', 'int']],
  ggml_concat: ['void*', ['void*', 'void*', 'void*', 'int']],
  ggml_reshape_2d: ['void*', ['void*', 'void*', 'int64_t', 'int64_t']],
  ggml_reshape_3d: ['void*', ['void*', 'void*', 'int64_t', 'int64_t', 'int64_t']],
  ggml_set_output: ['void', ['void*']],
  ggml_build_forward_expand: ['void', ['void*', 'void*']],
  ggml_backend_tensor_set: ['void', ['void*', 'void*', 'size_t', 'size_t']],
  ggml_backend_cpu_buffer_type: ['void*', []],
  ggml_backend_dev_buffer_type: ['void*', ['void*']],
  ggml_backend_alloc_ctx_tensors_from_buft: ['void*', ['void*', 'void*']],
  ggml_backend_tensor_get: ['void', ['void*', 'void*', 'size_t', 'size_t']],
  ggml_backend_tensor_copy: ['void', ['void*', 'void*']],
  ggml_backend_view_init: ['int', ['void*']],
  ggml_backend_buffer_free: ['void', ['void*']],
} as const satisfies Record<string, Prototype>;

/** Throws when one of the functions is missing. */
export function bindSamplers(paths: NativePaths): NativeSamplers {
  const bound: Record<keyof NativeSamplers, unknown> = {
    ...bindTable(paths.llama, llamaPrototypes),
    ...bindTable(paths.ggmlBase, ggmlBasePrototypes),
  };
  return bound as unknown as NativeSamplers;
}
