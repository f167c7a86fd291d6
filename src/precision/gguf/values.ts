// The typed values of GGUF metadata: how they lie in a file, and as what they are read.
// Why the raw bytes are kept: a value that is only carried from one file to another stays what it was to the bit, and a
// vocabulary of 150,000 strings costs nothing unless somebody looks at it.
// Source: docs/gguf.md in ggml's repository, version 3. All numbers are little-endian.

interface ValueCodec {
  readonly id: number;
  /** Bytes of one value; undefined where it says its own length. */
  readonly bytes: number | undefined;
  readonly read: (view: DataView, offset: number) => Scalar;
  readonly write: (view: DataView, value: Scalar) => void;
}

export type Scalar = number | bigint | boolean | string;

const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
const encoder = new TextEncoder();

export const valueTypes = {
  uint8: {
    id: 0,
    bytes: 1,
    read: (view, at) => view.getUint8(at),
    write: (view, value) => view.setUint8(0, Number(value)),
  },
  int8: {
    id: 1,
    bytes: 1,
    read: (view, at) => view.getInt8(at),
    write: (view, value) => view.setInt8(0, Number(value)),
  },
  uint16: {
    id: 2,
    bytes: 2,
    read: (view, at) => view.getUint16(at, true),
    write: (view, value) => view.setUint16(0, Number(value), true),
  },
  int16: {
    id: 3,
    bytes: 2,
    read: (view, at) => view.getInt16(at, true),
    write: (view, value) => view.setInt16(0, Number(value), true),
  },
  uint32: {
    id: 4,
    bytes: 4,
    read: (view, at) => view.getUint32(at, true),
    write: (view, value) => view.setUint32(0, Number(value), true),
  },
  int32: {
    id: 5,
    bytes: 4,
    read: (view, at) => view.getInt32(at, true),
    write: (view, value) => view.setInt32(0, Number(value), true),
  },
  float32: {
    id: 6,
    bytes: 4,
    read: (view, at) => view.getFloat32(at, true),
    write: (view, value) => view.setFloat32(0, Number(value), true),
  },
  bool: {
    id: 7,
    bytes: 1,
    read: (view, at) => view.getUint8(at) !== 0,
    write: (view, value) => view.setUint8(0, value === true ? 1 : 0),
  },
  string: { id: 8, bytes: undefined, read: readText, write: writeText },
  uint64: {
    id: 10,
    bytes: 8,
    read: (view, at) => view.getBigUint64(at, true),
    write: (view, value) => view.setBigUint64(0, BigInt(value), true),
  },
  int64: {
    id: 11,
    bytes: 8,
    read: (view, at) => view.getBigInt64(at, true),
    write: (view, value) => view.setBigInt64(0, BigInt(value), true),
  },
  float64: {
    id: 12,
    bytes: 8,
    read: (view, at) => view.getFloat64(at, true),
    write: (view, value) => view.setFloat64(0, Number(value), true),
  },
} as const satisfies Record<string, ValueCodec>;

export type ValueType = keyof typeof valueTypes;

export const arrayTypeId = 9;

/** The type with this number, arrays excepted; undefined when there is none. */
export function valueTypeOf(id: number): ValueType | undefined {
  return Object.keys(valueTypes)
    .filter(isValueType)
    .find((type) => valueTypes[type].id === id);
}

function isValueType(name: string): name is ValueType {
  return Object.hasOwn(valueTypes, name);
}

/** One metadata entry. An array has `count` values of `type`; a scalar has one. */
export interface GgufEntry {
  readonly key: string;
  readonly type: ValueType;
  readonly isArray: boolean;
  readonly count: number;
  /** The values as they lie in a file, without type and count. */
  readonly bytes: Uint8Array;
}

/** The entry's values, in order. Integers of 64 bits are bigints. */
export function entryValues({ type, count, bytes }: GgufEntry): Scalar[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const values: Scalar[] = [];
  let offset = 0;
  for (let index = 0; index < count; index++) {
    const size = valueTypes[type].bytes ?? 8 + Number(view.getBigUint64(offset, true));
    values.push(valueTypes[type].read(view, offset));
    offset += size;
  }
  return values;
}

/** An entry of one value. */
export function scalarEntry(key: string, type: ValueType, value: Scalar): GgufEntry {
  return { key, type, isArray: false, count: 1, bytes: encodeScalar(type, value) };
}

/** An entry of an array, which may be empty. */
export function arrayEntry(key: string, type: ValueType, values: readonly Scalar[]): GgufEntry {
  const bytes = Buffer.concat(values.map((value) => encodeScalar(type, value)));
  return { key, type, isArray: true, count: values.length, bytes };
}

function encodeScalar(type: ValueType, value: Scalar): Uint8Array {
  const size = valueTypes[type].bytes ?? 8 + encoder.encode(String(value)).length;
  const bytes = new Uint8Array(size);
  valueTypes[type].write(new DataView(bytes.buffer), value);
  return bytes;
}

/** A length of 8 bytes, then UTF-8. */
function readText(view: DataView, at: number): string {
  const length = Number(view.getBigUint64(at, true));
  return decoder.decode(new Uint8Array(view.buffer, view.byteOffset + at + 8, length));
}

function writeText(view: DataView, value: Scalar): void {
  const bytes = encoder.encode(String(value));
  view.setBigUint64(0, BigInt(bytes.length), true);
  new Uint8Array(view.buffer, view.byteOffset + 8).set(bytes);
}
