// Opens GGUF files for looking at: metadata, the table of tensors, and single tensors' bytes. Split models are one file here.
// Why the front is read in growing pieces: how long it is stands nowhere, and files have hundreds of gigabytes behind it.

import { type FileHandle, open, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { must } from '../../assert.ts';
import { type GgufFront, type GgufTensor, parseFront } from './parse.ts';
import { entryValues, type GgufEntry, type Scalar } from './values.ts';

export interface GgufPart extends GgufFront {
  readonly path: string;
  readonly fileBytes: number;
}

/** A model on disk: one part, or the parts of a split one in order. */
export interface GgufFile {
  readonly parts: readonly GgufPart[];
  /** Metadata of the first part, which has all of the model's. */
  readonly entries: readonly GgufEntry[];
  /** Tensors of all parts. */
  readonly tensors: readonly GgufTensor[];
  readonly fileBytes: number;
}

const firstReadBytes = 1 << 20;
/** Fronts are tens of megabytes at most; a broken count must not read a whole model into memory. */
const frontBytesMax = 1 << 30;
const pieceBytes = 1 << 24;

/** Reads a file's front, and those of its siblings when it is the first part of a split model. */
export async function readGguf(path: string): Promise<GgufFile> {
  const first = await readPart(path);
  const partCount = Number(metadataValue(first, 'split.count') ?? 1);
  const parts = [first];
  for (let number = 2; number <= partCount; number++) parts.push(await readPart(partPath(path, number, partCount)));
  return {
    parts,
    entries: first.entries,
    tensors: parts.flatMap((part) => part.tensors),
    fileBytes: parts.reduce((sum, part) => sum + part.fileBytes, 0),
  };
}

/** The first value of a metadata entry, or undefined when the file has none of that key. */
export function metadataValue({ entries }: Pick<GgufFile, 'entries'>, key: string): Scalar | undefined {
  const entry = entries.find((candidate) => candidate.key === key);
  return entry === undefined ? undefined : entryValues(entry)[0];
}

/** `model-00001-of-00003.gguf` -> the same with another number. */
function partPath(path: string, number: number, partCount: number): string {
  const pattern = /-(\d{5})-of-(\d{5})\.gguf$/i;
  const found = pattern.exec(basename(path));
  const digits = (value: number) => String(value).padStart(5, '0');
  if (found?.[1] !== digits(1) || found[2] !== digits(partCount))
    throw new Error(
      `a model in ${partCount} parts is named by its first, *-00001-of-${digits(partCount)}.gguf. Given: ${path}`,
    );
  const name = basename(path).replace(pattern, `-${digits(number)}-of-${digits(partCount)}.gguf`);
  return join(dirname(path), name);
}

async function readPart(path: string): Promise<GgufPart> {
  const { size } = await stat(path);
  const file = await open(path);
  try {
    const front = await readFront(file, path, size);
    const end = front.tensors.reduce((most, { offset, bytes }) => Math.max(most, offset + bytes), 0);
    const needed = front.dataOffset + end;
    if (front.tensors.length > 0 && size < needed)
      throw new Error(`${path} is cut off: its tensors end at byte ${needed}, the file at ${size}`);
    return { ...front, path, fileBytes: size };
  } finally {
    await file.close();
  }
}

async function readFront(file: FileHandle, path: string, fileBytes: number): Promise<GgufFront> {
  for (let bytes = firstReadBytes; ; bytes *= 4) {
    const piece = await readRange(file, 0, Math.min(bytes, fileBytes));
    const front = parse(piece, path);
    if (front !== undefined) return front;
    const limit = Math.min(fileBytes, frontBytesMax);
    if (bytes >= limit) throw new Error(`${path} is cut off or broken: its header does not end within ${limit} bytes`);
  }
}

function parse(bytes: Uint8Array, path: string): GgufFront | undefined {
  try {
    return parseFront(bytes);
  } catch (error) {
    throw new Error(`${path}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

async function readRange(file: FileHandle, from: number, count: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(count);
  for (let filled = 0; filled < count; ) {
    const { bytesRead } = await file.read(bytes, filled, count - filled, from + filled);
    if (bytesRead === 0)
      throw new Error(`the file ends at byte ${from + filled}; ${count - filled} more were expected`);
    filled += bytesRead;
  }
  return bytes;
}

/** A tensor's bytes in pieces of at most 16 MiB, each a whole number of rows unless a single row is longer. */
export async function* tensorPieces(file: GgufFile, name: string): AsyncGenerator<Uint8Array> {
  const part = must(
    file.parts.find(({ tensors }) => tensors.some((tensor) => tensor.name === name)),
    `${name} is a tensor of the file`,
  );
  const tensor = must(
    part.tensors.find((candidate) => candidate.name === name),
    'its part lists it',
  );
  const rowBytes = tensor.bytes / tensor.shape.slice(1).reduce((product, size) => product * size, 1);
  const stepBytes = rowBytes > 0 ? Math.max(1, Math.floor(pieceBytes / rowBytes)) * rowBytes : tensor.bytes;
  const handle = await open(part.path);
  try {
    for (let offset = 0; offset < tensor.bytes; offset += stepBytes) {
      const count = Math.min(stepBytes, tensor.bytes - offset);
      yield await readRange(handle, part.dataOffset + tensor.offset + offset, count);
    }
  } finally {
    await handle.close();
  }
}
