// Writes a GGUF file: front, then tensors one after another as their bytes come.
// Why streamed: a model is larger than memory; and why through a partial file: nobody may ever load half of one.
// Source: docs/gguf.md in ggml's repository, version 3.

import { type FileHandle, open } from 'node:fs/promises';
import { type TensorTypeName, tensorBytes, tensorTypes } from '../../llama/tensor-types.ts';
import { startPartialFile } from '../partial-file.ts';
import { alignmentDefault, alignmentKey, padded } from './parse.ts';
import { arrayTypeId, entryValues, type GgufEntry, valueTypes } from './values.ts';

/** A tensor to write: offset and bytes follow from the rest. */
export interface TensorPlan {
  readonly name: string;
  readonly shape: readonly number[];
  readonly type: TensorTypeName;
}

export interface GgufPlan {
  readonly entries: readonly GgufEntry[];
  readonly tensors: readonly TensorPlan[];
}

/** A tensor's bytes, in order; together as many as its type and shape make. */
export type TensorContent = (tensor: TensorPlan) => AsyncIterable<Uint8Array> | Iterable<Uint8Array>;

const version = 3;

/**
 * Writes a whole file under `path`, atomically; answers its bytes. Throws, leaving nothing behind, when a tensor's content
 * has another length than its plan.
 */
export async function writeGguf(path: string, plan: GgufPlan, content: TensorContent): Promise<number> {
  const partial = startPartialFile(path);
  try {
    const bytes = await writeGgufInto(partial.path, plan, content);
    await partial.commit();
    return bytes;
  } catch (error) {
    await partial.discard();
    throw error;
  }
}

/** The same into a new file of just this name, of which the caller takes care when it throws. */
export async function writeGgufInto(path: string, plan: GgufPlan, content: TensorContent): Promise<number> {
  const file = await open(path, 'wx');
  try {
    return await writeAll(file, plan, content);
  } finally {
    await file.close();
  }
}

async function writeAll(file: FileHandle, plan: GgufPlan, content: TensorContent): Promise<number> {
  const front = encodeFront(plan);
  await file.writeFile(front);
  let total = front.length;
  for (const tensor of plan.tensors) {
    const expected = tensorBytes(tensor.type, tensor.shape);
    let written = 0;
    for await (const piece of content(tensor)) {
      await file.writeFile(piece);
      written += piece.length;
    }
    if (written !== expected)
      throw new Error(`${tensor.name} in ${tensor.type} must have ${expected} bytes. Given: ${written}`);
    const padding = padded(written, alignmentIn(plan)) - written;
    await file.writeFile(new Uint8Array(padding));
    total += written + padding;
  }
  return total;
}

function alignmentIn({ entries }: GgufPlan): number {
  const entry = entries.find(({ key }) => key === alignmentKey);
  return entry === undefined ? alignmentDefault : Number(entryValues(entry)[0]);
}

/** Everything before the tensors' bytes, padded. */
export function encodeFront(plan: GgufPlan): Uint8Array {
  const alignment = alignmentIn(plan);
  let offset = 0;
  const records = plan.tensors.map((tensor) => {
    const record = encodeTensor(tensor, offset);
    offset += padded(tensorBytes(tensor.type, tensor.shape), alignment);
    return record;
  });
  const counts = [uint64(plan.tensors.length), uint64(plan.entries.length)];
  const front = Buffer.concat([
    Buffer.from('GGUF'),
    uint32(version),
    ...counts,
    ...plan.entries.flatMap(encodeEntry),
    ...records,
  ]);
  return Buffer.concat([front], padded(front.length, alignment));
}

/** The file's size before it is written. */
export function plannedFileBytes(plan: GgufPlan): number {
  const alignment = alignmentIn(plan);
  const data = plan.tensors.map(({ type, shape }) => padded(tensorBytes(type, shape), alignment));
  return data.reduce((sum, bytes) => sum + bytes, encodeFront(plan).length);
}

function encodeEntry({ key, type, isArray, count, bytes }: GgufEntry): Uint8Array[] {
  const typeId = uint32(valueTypes[type].id);
  return isArray ? [text(key), uint32(arrayTypeId), typeId, uint64(count), bytes] : [text(key), typeId, bytes];
}

function encodeTensor({ name, shape, type }: TensorPlan, offset: number): Uint8Array {
  const sizes = [uint32(shape.length), ...shape.map(uint64)];
  return Buffer.concat([text(name), ...sizes, uint32(tensorTypes[type].id), uint64(offset)]);
}

function text(value: string): Uint8Array {
  const bytes = Buffer.from(value);
  return Buffer.concat([uint64(bytes.length), bytes]);
}

function uint32(value: number): Uint8Array {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function uint64(value: number): Uint8Array {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}
