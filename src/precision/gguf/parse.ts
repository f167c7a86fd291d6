// Parses the front of a GGUF file: metadata and the table of tensors, no weights.
// Why our own and not node-llama-cpp's reader: that one drops the types of metadata values, without which a file cannot be
// written again, and takes half a second to load. Checks are those of llama.cpp's reader, so that it refuses no file we take.
// Source: docs/gguf.md and gguf.cpp of ggml, llama.cpp v0.5.0.

import { fitsRow, type TensorTypeName, tensorBytes, tensorTypeOf, tensorTypes } from '../../llama/tensor-types.ts';
import { arrayTypeId, entryValues, type GgufEntry, type ValueType, valueTypeOf, valueTypes } from './values.ts';

/** A tensor as the table of a file tells it. */
export interface GgufTensor {
  readonly name: string;
  /** Row length first; without trailing ones. Shape (dimensions,), at least one. */
  readonly shape: readonly number[];
  readonly type: TensorTypeName;
  /** Bytes from the start of the part's data, and in all. */
  readonly offset: number;
  readonly bytes: number;
}

export interface GgufFront {
  readonly version: number;
  readonly entries: readonly GgufEntry[];
  readonly tensors: readonly GgufTensor[];
  readonly alignment: number;
  /** Where the tensors' bytes begin in the file. */
  readonly dataOffset: number;
}

export const alignmentDefault = 32;
export const alignmentKey = 'general.alignment';

const versionsKnown: readonly number[] = [2, 3];
const dimensionsMax = 4;

/** Parses the bytes from a file's start; undefined when the front goes on behind them. Throws on what is not GGUF. */
export function parseFront(bytes: Uint8Array): GgufFront | undefined {
  try {
    return parse(createCursor(bytes));
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

interface Cursor {
  readonly offset: () => number;
  readonly uint32: () => number;
  /** A count or a size. */
  readonly uint64: () => number;
  readonly text: () => string;
  readonly take: (count: number) => Uint8Array;
}

const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

/** Reads little-endian values one after another; a RangeError when the bytes end. */
function createCursor(bytes: Uint8Array): Cursor {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let offset = 0;
  function take(count: number): Uint8Array {
    if (offset + count > bytes.length) throw new RangeError('the bytes end');
    offset += count;
    return bytes.subarray(offset - count, offset);
  }
  function uint64(): number {
    const value = view.getBigUint64(offset, true);
    offset += 8;
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw new Error(`a count in the GGUF file is out of bounds: ${value}`);
    return Number(value);
  }
  return {
    offset: () => offset,
    take,
    uint64,
    uint32() {
      offset += 4;
      return view.getUint32(offset - 4, true);
    },
    text: () => decoder.decode(take(uint64())),
  };
}

function parse(cursor: Cursor): GgufFront {
  const magic = String.fromCharCode(...cursor.take(4));
  if (magic !== 'GGUF') throw new Error(`a GGUF file begins with "GGUF". Found: ${JSON.stringify(magic)}`);
  const version = cursor.uint32();
  if (!versionsKnown.includes(version))
    throw new Error(`the GGUF version must be ${versionsKnown.join(' or ')}. Found: ${version}`);
  const tensorCount = cursor.uint64();
  const entryCount = cursor.uint64();
  const entries: GgufEntry[] = [];
  for (let index = 0; index < entryCount; index++) entries.push(parseEntry(cursor));
  const tensors: GgufTensor[] = [];
  for (let index = 0; index < tensorCount; index++) tensors.push(parseTensor(cursor));
  const alignment = alignmentOf(entries);
  return { version, entries, tensors, alignment, dataOffset: padded(cursor.offset(), alignment) };
}

function alignmentOf(entries: readonly GgufEntry[]): number {
  const entry = entries.find(({ key }) => key === alignmentKey);
  if (entry === undefined) return alignmentDefault;
  const value = Number(entryValues(entry)[0]);
  if (!Number.isInteger(value) || value < 1 || (value & (value - 1)) !== 0)
    throw new Error(`${alignmentKey} must be a power of 2. Found: ${value}`);
  return value;
}

function parseEntry(cursor: Cursor): GgufEntry {
  const key = cursor.text();
  const id = cursor.uint32();
  const isArray = id === arrayTypeId;
  const type = knownType(key, isArray ? cursor.uint32() : id);
  const count = isArray ? cursor.uint64() : 1;
  return { key, type, isArray, count, bytes: takeValues(cursor, type, count) };
}

function knownType(key: string, id: number): ValueType {
  const type = valueTypeOf(id);
  if (type === undefined) throw new Error(`the metadata entry ${key} has an unknown type: ${id}`);
  return type;
}

function takeValues(cursor: Cursor, type: ValueType, count: number): Uint8Array {
  const { bytes } = valueTypes[type];
  if (bytes !== undefined) return cursor.take(bytes * count);
  const parts: Uint8Array[] = [];
  for (let index = 0; index < count; index++) {
    const length = cursor.take(8);
    parts.push(length, cursor.take(Number(new DataView(length.buffer, length.byteOffset).getBigUint64(0, true))));
  }
  return joined(parts);
}

/** Neighbours in one buffer, as one; nothing is copied. */
function joined(parts: readonly Uint8Array[]): Uint8Array {
  const [first, last] = [parts[0], parts.at(-1)];
  if (first === undefined || last === undefined) return new Uint8Array(0);
  return new Uint8Array(first.buffer, first.byteOffset, last.byteOffset + last.length - first.byteOffset);
}

function parseTensor(cursor: Cursor): GgufTensor {
  const name = cursor.text();
  const dimensionCount = cursor.uint32();
  if (dimensionCount > dimensionsMax)
    throw new Error(`the tensor ${name} may have ${dimensionsMax} dimensions at most. Found: ${dimensionCount}`);
  const sizes = Array.from({ length: dimensionCount }, () => cursor.uint64());
  const id = cursor.uint32();
  const type = tensorTypeOf(id);
  if (type === undefined) throw new Error(`the tensor ${name} has a number format that is unknown here: ${id}`);
  const shape = trimmed(sizes);
  if (!fitsRow(type, shape[0] ?? 1))
    throw new Error(`rows of ${name} in ${type} must divide by ${tensorTypes[type].blockValues}. Found: ${shape[0]}`);
  return { name, shape, type, offset: cursor.uint64(), bytes: tensorBytes(type, shape) };
}

/** The shape as llama.cpp counts dimensions: trailing ones do not count, and there is always one. */
function trimmed(sizes: readonly number[]): number[] {
  const last = sizes.findLastIndex((size) => size !== 1);
  return last < 0 ? [1] : sizes.slice(0, last + 1);
}

/** `bytes`, rounded up to a multiple of `alignment`. */
export function padded(bytes: number, alignment: number): number {
  return Math.ceil(bytes / alignment) * alignment;
}
