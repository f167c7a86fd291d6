// Every tensor type of ggml: its name, the size of its blocks, and conversion from and to float32.
// Why each size is checked here: ggml asserts, and a failed assertion ends the process.

import { assert } from '../assert.ts';
import { type Libraries, loadLibraries } from './libraries.ts';
import { findLibraryPackage, libraryFiles } from './library-packages.ts';
import type { LogSink } from './native-log.ts';
import { bindNumbers, type NativeNumbers, readTypeTraits, type ToFloat, toFloatFunction } from './native-numbers.ts';
import { plainConversions } from './plain-types.ts';
import { tensorTypeOf, tensorTypes } from './tensor-types.ts';

/** Values are stored in blocks: a row's length must be a multiple of `blockValues`, and its bytes follow from that. */
export interface TensorType {
  /** enum ggml_type, as a GGUF file stores it. */
  readonly id: number;
  /** As ggml writes it: `f16`, `q8_0`, `q4_K`, `iq4_xs`. */
  readonly name: string;
  readonly blockValues: number;
  readonly blockBytes: number;
  readonly isQuantized: boolean;
  readonly canDequantize: boolean;
  readonly canQuantize: boolean;
  /** Quantizing to this type aborts without an importance for every column. */
  readonly needsImportance: boolean;
}

export interface QuantizeOptions {
  /** Values in a row: a multiple of the type's `blockValues`. */
  readonly rowLength: number;
  /** How much each column's error counts; shape (rowLength,). */
  readonly importance?: Float32Array;
}

export interface TensorConversions {
  /** Every type that this release can store, by id. */
  readonly all: readonly TensorType[];
  byId(id: number): TensorType | undefined;
  /** Upper and lower case are the same: `Q4_K` is `q4_K`. */
  byName(name: string): TensorType | undefined;
  /** `count` values from their stored form; shape (count,). `count` must be whole blocks. Runs on the calling thread. */
  dequantize(type: TensorType, bytes: Uint8Array, count: number): Float32Array;
  /**
   * Whole rows to their stored form, as llama-quantize stores them. Throws when a value is NaN or infinite: some native
   * quantizers abort on one. Runs on the calling thread: 10 million values take 0.1 s as q8_0, 0.6 s as q4_K, 2 s as iq4_nl (one core).
   */
  quantize(type: TensorType, values: Float32Array, options: QuantizeOptions): Uint8Array;
}

/** GGML_TYPE_COUNT of llama.cpp v0.5.0; release-check.ts has made sure of the release. */
const typeCount = 43;

/** Binds the conversions of the libraries that this process has loaded. */
export function createTensorConversions(libraries: Pick<Libraries, 'binsDir'>): TensorConversions {
  const native = bindNumbers(libraryFiles(libraries.binsDir).ggmlBase);
  const readers = new Map<number, ToFloat>();
  const all: TensorType[] = [];
  for (let id = 0; id < typeCount; id++) {
    const { type, read } = describeType(native, id);
    if (type !== undefined) all.push(type);
    if (read !== undefined) readers.set(id, read);
  }
  const ids = new Map(all.map((type) => [type.id, type]));
  const names = new Map(all.map((type) => [type.name.toLowerCase(), type]));
  return {
    all,
    byId: (id) => ids.get(id),
    byName: (name) => names.get(name.toLowerCase()),
    dequantize(type, bytes, count) {
      checkBytes(type, bytes.length, count);
      const read = readers.get(type.id);
      if (read === undefined) throw new Error(`ggml cannot convert ${type.name} to float32`);
      const values = new Float32Array(count);
      read(bytes, values, count);
      return values;
    },
    quantize: (type, values, options) => quantize(native, type, { values, ...options }),
  };
}

/** Loads the libraries for work that uses no device: the CPU's own if they are installed, else what the platform has. */
export function loadHostLibraries(log: LogSink): Libraries {
  const hasChoice = process.env['OCTET_LLAMA_LIBRARIES'] === undefined && findLibraryPackage('off') !== undefined;
  return loadLibraries({ gpu: hasChoice ? 'off' : 'auto', log });
}

/** Bytes that `count` values take; `count` must be whole blocks. */
export function storedBytes(type: TensorType, count: number): number {
  assert(count % type.blockValues === 0, `${count} values are whole blocks of ${type.name}`);
  return (count / type.blockValues) * type.blockBytes;
}

interface TypeFound {
  readonly type: TensorType | undefined;
  readonly read: ToFloat | undefined;
}

function describeType(native: NativeNumbers, id: number): TypeFound {
  const traits = readTypeTraits(native, id);
  const known = tensorTypeOf(id);
  if (traits.type_name === null || known === undefined) return { type: undefined, read: undefined };
  const { blockValues, blockBytes, kind } = tensorTypes[known];
  const read = traits.to_float === null ? plainConversions[traits.type_name] : toFloatFunction(traits.to_float);
  const type: TensorType = {
    id,
    name: traits.type_name,
    blockValues,
    blockBytes,
    isQuantized: kind === 'quantized',
    canDequantize: read !== undefined,
    // ggml_quantize_chunk knows exactly the types that have a way back, and float32 itself.
    canQuantize: traits.to_float !== null || traits.type_name === 'f32',
    needsImportance: native.ggml_quantize_requires_imatrix(id),
  };
  return { type, read };
}

function quantize(
  native: NativeNumbers,
  type: TensorType,
  { values, rowLength, importance }: QuantizeOptions & { readonly values: Float32Array },
): Uint8Array {
  if (!type.canQuantize) throw new Error(`ggml cannot quantize to ${type.name}`);
  if (rowLength <= 0 || rowLength % type.blockValues !== 0)
    throw new Error(`a row of ${type.name} must be a multiple of ${type.blockValues} values. Given: ${rowLength}`);
  assert(values.length % rowLength === 0, 'values are whole rows');
  if (type.needsImportance && importance === undefined)
    throw new Error(`quantizing to ${type.name} needs an importance matrix`);
  assert(importance === undefined || importance.length === rowLength, 'one importance for every column');
  checkFinite(type, values);
  const bytes = new Uint8Array(storedBytes(type, values.length));
  const rows = values.length / rowLength;
  native.ggml_quantize_chunk(type.id, values, bytes, 0, rows, rowLength, importance ?? null);
  return bytes;
}

function checkBytes(type: TensorType, byteLength: number, count: number): void {
  if (count % type.blockValues !== 0)
    throw new Error(`${type.name} is stored in blocks of ${type.blockValues} values. Given: ${count} values`);
  const needed = storedBytes(type, count);
  if (byteLength < needed)
    throw new Error(`${count} values of ${type.name} take ${needed} bytes. Given: ${byteLength}`);
}

function checkFinite(type: TensorType, values: Float32Array): void {
  for (let index = 0; index < values.length; index++) {
    if (!Number.isFinite(values[index]))
      throw new Error(`values must be finite to be stored as ${type.name}. Given: ${values[index]} at ${index}`);
  }
}
