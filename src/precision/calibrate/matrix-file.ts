// Importance matrix files: llama.cpp's GGUF form, read and written; its older form is read, too.
// Why maxima in tensors of their own: llama.cpp's tools pass over names that end in none of their suffixes.
// Source: save_imatrix() of tools/imatrix/imatrix.cpp and common/imatrix-loader.cpp of llama.cpp v0.5.0.

import { open } from 'node:fs/promises';
import { type GgufFile, metadataValue, readGguf, tensorPieces } from '../gguf/read.ts';
import { arrayEntry, entryValues, type GgufEntry, scalarEntry } from '../gguf/values.ts';
import { type TensorPlan, writeGguf } from '../gguf/write.ts';
import { type MatrixEntry, type MatrixFile, type MatrixOrigin, matrixEntry } from './matrix.ts';
import { parseOlderForm } from './older-form.ts';
import type { SumsByTensor } from './sums.ts';

const sumsSuffix = '.in_sum2';
const countsSuffix = '.counts';
const maximaSuffix = '.in_max';
const keys = {
  type: 'general.type',
  datasets: 'imatrix.datasets',
  chunkCount: 'imatrix.chunk_count',
  chunkTokens: 'imatrix.chunk_size',
} as const;

/** Reads a file; throws with a message for the operator when it is no importance matrix or a part is broken. */
export async function readMatrixFile(path: string): Promise<MatrixFile> {
  const older = await readOlder(path);
  if (older !== undefined) {
    for (const [tensor, entry] of older.entries) checkSquares(entry.squares, tensor, path);
    return older;
  }
  const file = await readGguf(path);
  const entries = new Map<string, MatrixEntry>();
  for (const { name } of file.tensors) {
    if (!name.endsWith(sumsSuffix)) continue;
    const tensor = name.slice(0, -sumsSuffix.length);
    entries.set(tensor, await readEntry(file, tensor, path));
  }
  if (entries.size === 0) throw new Error(`${path} holds no importance matrix: no tensor in it ends in ${sumsSuffix}`);
  return { entries, ...readOrigin(file) };
}

const gguf = 'GGUF';

/** What a file in the older form holds; undefined when it begins as GGUF does. */
async function readOlder(path: string): Promise<MatrixFile | undefined> {
  const file = await open(path).catch((error: unknown) => {
    throw new Error(`cannot read the importance matrix: ${error instanceof Error ? error.message : String(error)}`);
  });
  try {
    const { buffer } = await file.read(Buffer.alloc(gguf.length), 0, gguf.length, 0);
    if (buffer.toString('latin1') === gguf) return undefined;
    const { size } = await file.stat();
    const older = size <= olderBytesMax ? parseOlderForm(await file.readFile()) : undefined;
    if (older === undefined)
      throw new Error(
        `the importance matrix must be a file as llama-imatrix or octet calibrate writes it. Given: ${path}`,
      );
    return older;
  } finally {
    await file.close();
  }
}

/** Matrices of the largest models are a tenth of it; a model file given by mistake must not be read whole. */
const olderBytesMax = 2 ** 30;

async function readEntry(file: GgufFile, tensor: string, path: string): Promise<MatrixEntry> {
  const squares = await readFloats(file, tensor + sumsSuffix, path);
  const counts = (await readFloats(file, tensor + countsSuffix, path)).map(Math.round);
  if (!Number.isInteger(squares.length / counts.length))
    throw new Error(
      `${path}: ${tensor} must have as many sums for each of its ${counts.length} counts. Given: ${squares.length}`,
    );
  checkSquares(squares, tensor, path);
  return { squares, counts, maxima: await readMaxima(file, { tensor, path, length: squares.length }) };
}

interface MaximaPlace {
  readonly tensor: string;
  readonly path: string;
  /** As many as there are sums. */
  readonly length: number;
}

async function readMaxima(file: GgufFile, { tensor, path, length }: MaximaPlace): Promise<Float32Array | undefined> {
  const name = tensor + maximaSuffix;
  if (!file.tensors.some((candidate) => candidate.name === name)) return undefined;
  const maxima = await readFloats(file, name, path);
  const broken = maxima.findIndex((size) => !Number.isFinite(size) || size < 0);
  if (maxima.length !== length || broken >= 0)
    throw new Error(
      `${path}: ${name} must have ${length} finite sizes. Given: ` +
        (broken < 0 ? `${maxima.length}` : `${maxima[broken]} at ${broken}`),
    );
  return maxima;
}

function checkSquares(squares: Float32Array, tensor: string, path: string): void {
  const broken = squares.findIndex((sum) => !Number.isFinite(sum) || sum < 0);
  if (broken >= 0)
    throw new Error(`${path}: ${tensor} must have finite sums of squares. Given: ${squares[broken]} at ${broken}`);
}

async function readFloats(file: GgufFile, name: string, path: string): Promise<Float32Array> {
  const tensor = file.tensors.find((candidate) => candidate.name === name);
  if (tensor?.type !== 'f32')
    throw new Error(`${path} must have ${name} in f32. Found: ${tensor?.type ?? 'no such tensor'}`);
  const parts: Uint8Array[] = [];
  for await (const piece of tensorPieces(file, name)) parts.push(piece);
  const bytes = new Uint8Array(Buffer.concat(parts));
  return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
}

function readOrigin(file: GgufFile): MatrixOrigin {
  const number = (key: string): number | undefined => {
    const value = metadataValue(file, key);
    return typeof value === 'number' ? value : undefined;
  };
  const datasets = file.entries.find(({ key }) => key === keys.datasets);
  return {
    datasets: datasets === undefined ? [] : entryValues(datasets).filter((value) => typeof value === 'string'),
    chunkCount: number(keys.chunkCount),
    chunkTokens: number(keys.chunkTokens),
  };
}

/** Writes a whole file under `path`, atomically; answers its bytes. */
export function writeMatrixFile(path: string, sums: SumsByTensor, origin: MatrixOrigin): Promise<number> {
  const contents = new Map<string, Float32Array>();
  const tensors: TensorPlan[] = [];
  const add = (name: string, values: Float32Array, shape: readonly number[]) => {
    contents.set(name, values);
    tensors.push({ name, shape, type: 'f32' });
  };
  for (const [name, each] of [...sums].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const { squares, counts, maxima } = matrixEntry(each);
    const shape = withoutOne([squares.length / counts.length, counts.length]);
    add(name + sumsSuffix, squares, shape);
    add(name + countsSuffix, counts, withoutOne([1, counts.length]));
    if (maxima !== undefined) add(name + maximaSuffix, maxima, shape);
  }
  return writeGguf(path, { entries: originEntries(origin), tensors }, ({ name }) => [bytesOf(contents.get(name))]);
}

/** A last dimension of one does not count in GGUF. */
function withoutOne([first, second]: readonly [number, number]): readonly number[] {
  return second === 1 ? [first] : [first, second];
}

function originEntries({ datasets, chunkCount, chunkTokens }: MatrixOrigin): GgufEntry[] {
  return [
    scalarEntry(keys.type, 'string', 'imatrix'),
    arrayEntry(keys.datasets, 'string', datasets),
    scalarEntry(keys.chunkCount, 'uint32', chunkCount ?? 0),
    scalarEntry(keys.chunkTokens, 'uint32', chunkTokens ?? 0),
  ];
}

function bytesOf(values: Float32Array | undefined): Uint8Array {
  return values === undefined ? new Uint8Array(0) : new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}
