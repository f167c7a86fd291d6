// The functions of ggml-base that look at tensors of a graph, and those that make a small graph to check our reading against.
// Why a table of its own: only calibration looks inside a graph.
// Source: ggml/include/ggml.h and ggml-backend.h of llama.cpp v0.5.0.

import koffi from 'koffi';
import type { Brand } from '../../ids.ts';
import { bindTable, type Prototype } from '../native.ts';

export type TensorPointer = Brand<bigint, 'ggml_tensor'>;
export type GraphMemoryPointer = Brand<bigint, 'ggml_context'>;

/** struct ggml_init_params. */
interface InitParams {
  readonly mem_size: number;
  readonly mem_buffer: null;
  readonly no_alloc: boolean;
}

export interface NativeGraph {
  ggml_init(params: InitParams): GraphMemoryPointer | null;
  ggml_free(memory: GraphMemoryPointer): void;
  /** Forgets the tensors that were made in it. */
  ggml_reset(memory: GraphMemoryPointer): void;
  ggml_new_tensor_2d(memory: GraphMemoryPointer, type: number, columns: number, rows: number): TensorPointer;
  ggml_new_tensor_3d(...args: [GraphMemoryPointer, type: number, n0: number, n1: number, n2: number]): TensorPointer;
  ggml_permute(
    ...args: [GraphMemoryPointer, TensorPointer, a0: number, a1: number, a2: number, a3: number]
  ): TensorPointer;
  ggml_mul_mat(memory: GraphMemoryPointer, weight: TensorPointer, inputs: TensorPointer): TensorPointer;
  ggml_mul_mat_id(
    ...args: [GraphMemoryPointer, experts: TensorPointer, inputs: TensorPointer, ids: TensorPointer]
  ): TensorPointer;
  ggml_set_name(tensor: TensorPointer, name: string): TensorPointer;
  ggml_get_name(tensor: TensorPointer): string;
  ggml_op_desc(tensor: TensorPointer): string;
  ggml_nelements(tensor: TensorPointer): number;
  ggml_nrows(tensor: TensorPointer): number;
  ggml_nbytes(tensor: TensorPointer): number;
  ggml_element_size(tensor: TensorPointer): number;
  /** Copies bytes from wherever the tensor lives, once what computes it has finished. */
  ggml_backend_tensor_get(tensor: TensorPointer, to: Uint8Array, offset: number, bytes: number): void;
}

const initParamsStruct = koffi.struct({ mem_size: 'size_t', mem_buffer: 'void*', no_alloc: 'bool' });

const prototypes = {
  ggml_init: ['void*', [initParamsStruct]],
  ggml_free: ['void', ['void*']],
  ggml_reset: ['void', ['void*']],
  ggml_new_tensor_2d: ['void*', ['void*', 'int', 'int64_t', 'int64_t']],
  ggml_new_tensor_3d: ['void*', ['void*', 'int', 'int64_t', 'int64_t', 'int64_t']],
  ggml_permute: ['void*', ['void*', 'void*', 'int', 'int', 'int', 'int']],
  ggml_mul_mat: ['void*', ['void*', 'void*', 'void*']],
  ggml_mul_mat_id: ['void*', ['void*', 'void*', 'void*', 'void*']],
  ggml_set_name: ['void*', ['void*', 'str']],
  ggml_get_name: ['str', ['void*']],
  ggml_op_desc: ['str', ['void*']],
  ggml_nelements: ['int64_t', ['void*']],
  ggml_nrows: ['int64_t', ['void*']],
  ggml_nbytes: ['size_t', ['void*']],
  ggml_element_size: ['size_t', ['void*']],
  ggml_backend_tensor_get: ['void', ['void*', 'void*', 'size_t', 'size_t']],
} as const satisfies Record<keyof NativeGraph, Prototype>;

/** Binds the functions in the ggml-base library at `path` (library-packages.ts finds it). */
export function bindGraph(path: string): NativeGraph {
  return bindTable(path, prototypes) as unknown as NativeGraph;
}
