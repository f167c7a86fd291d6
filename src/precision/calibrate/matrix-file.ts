// Importance matrix files: llama.cpp's GGUF form, read and written.
// Why one count for a weight whose matrices all saw every row: llama.cpp's tools write and expect it so.
// Source: save_imatrix() of tools/imatrix/imatrix.cpp and common/imatrix-loader.cpp of llama.cpp v0.5.0.

import { type GgufFile, metadataValue, readGguf, tensorPieces } from '../gguf/read.ts';
import { arrayEntry, entryValues, type GgufEntry, scalarEntry } from '../gguf/values.ts';
import { type TensorPlan, writeGguf } from '../gguf/write.ts';
import type { ActivationSums, SumsByTensor } from './sums.ts';

/** What a file holds of one tensor. */
export interface MatrixEntry {
  /** Sum of squares of each input, matrix after matrix. Shape (counts.length, inputs). */
  readonly squares: Float32Array;
  /** Rows that went into each matrix; one for all of them unless rows chose. */
  readonly counts: Float32Array;
}

export interface MatrixOrigin {
  /** The texts, as they were named. */
  readonly datasets: readonly string[];
  /** Windows, and tokens of one; undefined where a file does not tell. */
  readonly chunkCount: number | undefined;
  readonly chunkTokens: number | undefined;
}

export interface MatrixFile extends MatrixOrigin {
  readonly entries: ReadonlyMap<string, MatrixEntry>;
}

const sumsSuffix = '.in_sum2';
const countsSuffix = '.counts';
const keys = {
  type: 'general.type',
  datasets: 'imatrix.datasets',
  chunkCount: 'imatrix.chunk_count',
  chunkTokens: 'imatrix.chunk_size',
} as const;

/** Reads a file; throws with a message for the operator when it is no importance matrix or a part is broken. */
export async function readMatrixFile(path: string): Promise<MatrixFile> {
  const file = await readGguf(path).catch((error: unknown) => {
    const why = error instanceof Error ? error.message : String(error);
    throw new Error(`the importance matrix must be a GGUF file as llama-imatrix writes it: ${why}`);
  });
  const entries = new Map<string, MatrixEntry>();
  for (const { name } of file.tensors) {
    if (!name.endsWith(sumsSuffix)) continue;
    const tensor = name.slice(0, -sumsSuffix.length);
    entries.set(tensor, await readEntry(file, tensor, path));
  }
  if (entries.size === 0) throw new Error(`${path} holds no importance matrix: no tensor in it ends in ${sumsSuffix}`);
  return { entries, ...readOrigin(file) };
}

async function readEntry(file: GgufFile, tensor: string, path: string): Promise<MatrixEntry> {
  const squares = await readFloats(file, tensor + sumsSuffix, path);
  const counts = (await readFloats(file, tensor + countsSuffix, path)).map(Math.round);
  if (!Number.isInteger(squares.length / counts.length))
    throw new Error(
      `${path}: ${tensor} must have as many sums for each of its ${counts.length} counts. Given: ${squares.length}`,
    );
  const broken = squares.findIndex((sum) => !Number.isFinite(sum) || sum < 0);
  if (broken >= 0)
    throw new Error(`${path}: ${tensor} must have finite sums of squares. Given: ${squares[broken]} at ${broken}`);
  return { squares, counts };
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

/** Mean square of each input; 1 for a matrix that no row went to, which is then as important everywhere. */
export function meanSquares({ squares, counts }: MatrixEntry): Float32Array {
  const inputs = squares.length / counts.length;
  return squares.map((sum, index) => {
    const count = counts[Math.floor(index / inputs)] ?? 0;
    return count > 0 ? sum / count : 1;
  });
}

/** Sums as a file holds them. */
export function matrixEntry({ squares, counts, isRouted }: ActivationSums): MatrixEntry {
  return { squares: Float32Array.from(squares), counts: Float32Array.from(isRouted ? counts : counts.subarray(0, 1)) };
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
    const { squares, counts } = matrixEntry(each);
    add(name + sumsSuffix, squares, withoutOne([squares.length / counts.length, counts.length]));
    add(name + countsSuffix, counts, withoutOne([1, counts.length]));
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
