// Moves scales through a model: a file that computes the same, with other numbers in it.
// Why float32 for the matrices: the file is what quantizing starts from, and rounding to 16 bits once more would be paid for
// nothing. Why not while quantizing: llama.cpp's own quantizer reads files, and it is the one that decides formats and threads.

import { must } from '../../assert.ts';
import type { TensorConversions } from '../../llama/tensor-conversions.ts';
import type { TensorTypeName } from '../../llama/tensor-types.ts';
import type { GgufTensor } from '../gguf/parse.ts';
import { type GgufFile, tensorPieces } from '../gguf/read.ts';
import { plannedFileBytes, writeGgufInto } from '../gguf/write.ts';
import { isQuantizable } from '../recipes/eligible.ts';
import type { ScalingGroup } from './groups.ts';

/** The scales of a group: all above 0. Shape (group.channelCount,). */
export interface GroupScales {
  readonly group: ScalingGroup;
  readonly scales: Float32Array;
}

export interface FoldOptions {
  readonly conversions: TensorConversions;
  /** 0 to 1, in bytes of the source's tensors. */
  readonly onProgress?: (fraction: number) => void;
}

/** What one tensor is multiplied by. */
interface Factors {
  /** Shape (columns,). */
  readonly columns?: Float32Array;
  /** Shape (rows,); for a vector, of each of its values. */
  readonly rows?: Float32Array;
}

/**
 * Writes the folded model under `path`, which must not exist; what is there when it throws is not whole. Runs on this
 * thread; needs memory for a few pieces of a tensor.
 */
export async function writeFolded(
  file: GgufFile,
  path: string,
  { scales, conversions, onProgress }: FoldOptions & { readonly scales: readonly GroupScales[] },
): Promise<void> {
  const factors = factorsOf(scales);
  const sizes = new Map(file.tensors.map(({ name, bytes }) => [name, bytes]));
  const total = file.tensors.reduce((sum, { bytes }) => sum + bytes, 0);
  let doneBytes = 0;
  await writeGgufInto(path, foldedPlan(file, new Set(factors.keys())), async function* ({ name }) {
    const found = factors.get(name);
    if (found === undefined) yield* tensorPieces(file, name);
    else yield* foldedPieces(file, name, { conversions, factors: found });
    doneBytes += sizes.get(name) ?? 0;
    onProgress?.(doneBytes / total);
  });
}

/** The folded file's size when these groups are scaled. */
export function foldedFileBytes(file: GgufFile, groups: readonly ScalingGroup[]): number {
  const names = groups.flatMap(({ vectors, rowsOf, columnsOf }) => [
    ...vectors,
    ...columnsOf,
    ...(rowsOf ? [rowsOf] : []),
  ]);
  return plannedFileBytes(foldedPlan(file, new Set(names)));
}

function foldedPlan({ entries, tensors }: GgufFile, changed: ReadonlySet<string>) {
  return {
    entries: entries.filter(({ key }) => !key.startsWith('split.')),
    tensors: tensors.map((tensor) => ({
      ...tensor,
      type: changed.has(tensor.name) ? foldedType(tensor) : tensor.type,
    })),
  };
}

/** Norms and biases keep their type: the kernels demand it. */
function foldedType(tensor: GgufTensor): TensorTypeName {
  return isQuantizable(tensor) ? 'f32' : tensor.type;
}

function factorsOf(all: readonly GroupScales[]): Map<string, Factors> {
  const factors = new Map<string, Factors>();
  const add = (name: string, more: Factors) => factors.set(name, { ...factors.get(name), ...more });
  for (const { group, scales } of all) {
    const inverse = scales.map((scale) => 1 / scale);
    for (const name of [...group.vectors, ...(group.rowsOf === undefined ? [] : [group.rowsOf])])
      add(name, { rows: inverse });
    for (const name of group.columnsOf) add(name, { columns: columnScales(group, scales) });
  }
  return factors;
}

/** The scale of each column of the group's readers. Shape (columns,). */
export function columnScales({ channels }: ScalingGroup, scales: Float32Array): Float32Array {
  return Float32Array.from(channels, (channel) => scales[channel] ?? 1);
}

async function* foldedPieces(
  file: GgufFile,
  name: string,
  { conversions, factors }: { readonly conversions: TensorConversions; readonly factors: Factors },
): AsyncGenerator<Uint8Array> {
  const tensor = must(
    file.tensors.find((candidate) => candidate.name === name),
    `${name} is a tensor of the file`,
  );
  const from = must(conversions.byName(tensor.type), `ggml has ${tensor.type}`);
  const to = must(conversions.byName(foldedType(tensor)), 'ggml has it');
  const columns = tensor.shape.length === 1 ? 1 : (tensor.shape[0] ?? 1);
  let row = 0;
  for await (const bytes of tensorPieces(file, name)) {
    const values = conversions.dequantize(from, bytes, (bytes.length / from.blockBytes) * from.blockValues);
    multiply(values, { columns, firstRow: row, factors });
    row += values.length / columns;
    yield conversions.quantize(to, values, { rowLength: columns });
  }
}

interface Part {
  readonly columns: number;
  readonly firstRow: number;
  readonly factors: Factors;
}

/** In double precision, rounded once. */
function multiply(values: Float32Array, { columns, firstRow, factors }: Part): void {
  for (let index = 0; index < values.length; index++) {
    const ofRow = factors.rows?.[firstRow + Math.floor(index / columns)] ?? 1;
    const ofColumn = factors.columns?.[index % columns] ?? 1;
    values[index] = (values[index] ?? 0) * ofRow * ofColumn;
  }
}
