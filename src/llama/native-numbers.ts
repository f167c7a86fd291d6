// The functions of ggml-base that convert numbers: any tensor type to float32 and back, 16-bit floats by the row.
// Why a table of its own: serving never converts a tensor itself; quantizing, evaluating and `octet numbers` do.
// Source: ggml/include/ggml.h of llama.cpp v0.5.0 (struct ggml_type_traits, ggml_quantize_chunk).

import koffi from 'koffi';
import type { Brand } from '../ids.ts';
import { bindTable, type Prototype } from './native.ts';

export type TypeTraitsPointer = Brand<bigint, 'ggml_type_traits'>;

/** struct ggml_type_traits. The functions are null where a type cannot be converted that way. */
export interface TypeTraits {
  readonly type_name: string | null;
  /** Values per block; 0 for types that were removed. */
  readonly blck_size: number;
  readonly blck_size_interleave: number;
  /** Bytes per block. */
  readonly type_size: number;
  readonly is_quantized: boolean;
  readonly to_float: bigint | null;
  readonly from_float_ref: bigint | null;
}

/** ggml_to_float_t: `count` values, a multiple of the block, from `bytes` to `values`. */
export type ToFloat = (bytes: Uint8Array, values: Float32Array, count: number) => void;

export interface NativeNumbers {
  ggml_get_type_traits(type: number): TypeTraitsPointer;
  ggml_quantize_requires_imatrix(type: number): boolean;
  ggml_quantize_chunk(
    ...args: [
      type: number,
      values: Float32Array,
      to: Uint8Array,
      start: number,
      rows: number,
      columns: number,
      importance: Float32Array | null,
    ]
  ): number;
  ggml_fp16_to_fp32_row(from: Uint16Array, to: Float32Array, count: number): void;
  ggml_fp32_to_fp16_row(from: Float32Array, to: Uint16Array, count: number): void;
  ggml_bf16_to_fp32_row(from: Uint16Array, to: Float32Array, count: number): void;
  ggml_fp32_to_bf16_row_ref(from: Float32Array, to: Uint16Array, count: number): void;
}

const typeTraitsStruct = koffi.struct({
  type_name: 'str',
  blck_size: 'int64_t',
  blck_size_interleave: 'int64_t',
  type_size: 'size_t',
  is_quantized: 'bool',
  to_float: 'void*',
  from_float_ref: 'void*',
});

const toFloatPrototype = koffi.proto('void', ['void*', 'void*', 'int64_t']);

const numberPrototypes = {
  ggml_get_type_traits: ['void*', ['int']],
  ggml_quantize_requires_imatrix: ['bool', ['int']],
  ggml_quantize_chunk: ['size_t', ['int', 'void*', 'void*', 'int64_t', 'int64_t', 'int64_t', 'void*']],
  ggml_fp16_to_fp32_row: ['void', ['void*', 'void*', 'int64_t']],
  ggml_fp32_to_fp16_row: ['void', ['void*', 'void*', 'int64_t']],
  ggml_bf16_to_fp32_row: ['void', ['void*', 'void*', 'int64_t']],
  ggml_fp32_to_bf16_row_ref: ['void', ['void*', 'void*', 'int64_t']],
} as const satisfies Record<keyof NativeNumbers, Prototype>;

/** Binds the conversions in the ggml-base library at `path` (library-packages.ts finds it). */
export function bindNumbers(path: string): NativeNumbers {
  return bindTable(path, numberPrototypes) as unknown as NativeNumbers;
}

/** Reads the traits of a type. The id must be below GGML_TYPE_COUNT: the library does not check it. */
export function readTypeTraits(native: NativeNumbers, type: number): TypeTraits {
  return koffi.decode(native.ggml_get_type_traits(type), typeTraitsStruct) as TypeTraits;
}

/** A conversion that the traits point to, as a function. */
export function toFloatFunction(pointer: bigint): ToFloat {
  return koffi.decode(pointer, toFloatPrototype) as ToFloat;
}
