// The lists that llama_model_quantize reads: formats by tensor, importance by tensor, metadata to set.
// Why by offsets: each is a C array of structs that ends with an empty one, and lives in native memory during the call.
// Source: include/llama.h of llama.cpp v0.5.0, 64-bit layout.

import type { NativeArena } from './native-arena.ts';
import { type TensorTypeName, tensorTypes } from './tensor-types.ts';

/** Importance of each input of a tensor's product, by the tensor's name. Shape (inputs × experts,). */
export type ImportanceMatrix = ReadonlyMap<string, Float32Array>;

/** llama_model_tensor_override[]: pattern and type; the first that matches counts, and a null pattern ends the list. */
export function overrideList(
  base: TensorTypeName,
  types: ReadonlyMap<string, TensorTypeName>,
  arena: NativeArena,
): bigint {
  const named = [...types].filter(([, type]) => type !== base);
  const overrides = [
    ...named.map(([name, type]) => ({ pattern: `^${escaped(name)}$`, type })),
    // Matches every name.
    { pattern: '', type: base },
  ];
  const entryBytes = 16;
  const list = arena.allocate((overrides.length + 1) * entryBytes);
  overrides.forEach(({ pattern, type }, index) => {
    list.view.setBigUint64(index * entryBytes, arena.text(pattern), true);
    list.view.setInt32(index * entryBytes + 8, tensorTypes[type].id, true);
  });
  return list.address;
}

function escaped(name: string): string {
  return name.replace(/[^\w-]/g, '\\$&');
}

/** llama_model_imatrix_data[]: name, values, their count; a null name ends the list. */
export function importanceList(importance: ImportanceMatrix, arena: NativeArena): bigint {
  const entryBytes = 24;
  const list = arena.allocate((importance.size + 1) * entryBytes);
  [...importance].forEach(([name, values], index) => {
    const memory = arena.allocate(values.byteLength);
    new Float32Array(memory.view.buffer, memory.view.byteOffset, values.length).set(values);
    list.view.setBigUint64(index * entryBytes, arena.text(name), true);
    list.view.setBigUint64(index * entryBytes + 8, memory.address, true);
    list.view.setBigUint64(index * entryBytes + 16, BigInt(values.length), true);
  });
  return list.address;
}

const keyBytesMax = 127;

/** llama_model_kv_override[]: a tag, a key of 128 bytes, and 128 bytes of value at 136; an empty key ends the list. */
export function metadataList(metadata: Readonly<Record<string, string | number>>, arena: NativeArena): bigint {
  const [entryBytes, keyOffset, valueOffset] = [264, 4, 136];
  const [tagInteger, tagText] = [0, 3];
  const entries = Object.entries(metadata);
  const list = arena.allocate((entries.length + 1) * entryBytes);
  entries.forEach(([key, value], index) => {
    const start = index * entryBytes;
    list.view.setInt32(start, typeof value === 'number' ? tagInteger : tagText, true);
    list.write(start + keyOffset, truncated(key));
    if (typeof value === 'number') list.view.setBigInt64(start + valueOffset, BigInt(value), true);
    else list.write(start + valueOffset, truncated(value));
  });
  return list.address;
}

/** UTF-8 of at most 127 bytes, cut between characters. */
function truncated(text: string): Uint8Array {
  const bytes = new Uint8Array(keyBytesMax);
  const { written } = new TextEncoder().encodeInto(text, bytes);
  return bytes.subarray(0, written);
}
