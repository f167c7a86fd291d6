// The matrices that read a group's channels, as far as choosing scales needs them: some rows, and sizes by channel.
// Why some rows: rounding works within rows, so that a few hundred tell what a scale does to all; a layer stays in memory.

import { must } from '../../assert.ts';
import type { TensorConversions } from '../../llama/tensor-conversions.ts';
import type { TensorTypeName } from '../../llama/tensor-types.ts';
import { type GgufFile, tensorPieces } from '../gguf/read.ts';
import type { ScalingGroup } from './groups.ts';

/** A matrix by some of its rows and all of its columns. */
export interface Reader {
  readonly name: string;
  readonly columns: number;
  /** What it will be quantized to. */
  readonly type: TensorTypeName;
  /** Shape (sampled rows, columns). */
  readonly values: Float32Array;
  /** Largest weight of each column over all rows. Shape (columns,). */
  readonly largest: Float32Array;
}

export interface ReadOptions {
  readonly conversions: TensorConversions;
  /** What each tensor will be quantized to. */
  readonly types: ReadonlyMap<string, TensorTypeName>;
}

/** Rows of a matrix that are looked at. */
const sampledRowsMax = 512;

/** Reads every matrix of the group once. */
export async function readReaders(file: GgufFile, group: ScalingGroup, options: ReadOptions): Promise<Reader[]> {
  const readers: Reader[] = [];
  for (const name of group.columnsOf) readers.push(await readReader(file, name, options));
  return readers;
}

async function readReader(file: GgufFile, name: string, { conversions, types }: ReadOptions): Promise<Reader> {
  const tensor = must(
    file.tensors.find((candidate) => candidate.name === name),
    `${name} is a tensor of the file`,
  );
  const type = must(conversions.byName(tensor.type), `ggml has ${tensor.type}`);
  const [columns = 1, rows = 1] = tensor.shape;
  const sampledRows = Math.min(rows, sampledRowsMax);
  const values = new Float32Array(sampledRows * columns);
  const largest = new Float32Array(columns);
  let row = 0;
  let taken = 0;
  for await (const bytes of tensorPieces(file, name)) {
    const piece = conversions.dequantize(type, bytes, (bytes.length / type.blockBytes) * type.blockValues);
    for (let start = 0; start < piece.length; start += columns, row++) {
      const current = piece.subarray(start, start + columns);
      raise(largest, current);
      // Evenly spaced, and as many as there is room for.
      if (Math.floor((row * sampledRows) / rows) < taken) continue;
      values.set(current, taken * columns);
      taken++;
    }
  }
  return {
    name,
    columns,
    type: must(types.get(name), `${name} is planned`),
    values: values.subarray(0, taken * columns),
    largest,
  };
}

function raise(largest: Float32Array, row: Float32Array): void {
  for (let column = 0; column < row.length; column++) {
    const size = Math.abs(row[column] ?? 0);
    if (size > (largest[column] ?? 0)) largest[column] = size;
  }
}
