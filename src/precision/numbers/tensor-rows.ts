// The tensors of a GGUF file as this command looks at them, and one's values as float32, a few rows at a time.
// Why rows and not the whole tensor: an embedding table of 1 GB would need several times that as float32.

import { must } from '../../assert.ts';
import { checkGguf } from '../../llama/source.ts';
import { storedBytes, type TensorConversions, type TensorType } from '../../llama/tensor-conversions.ts';
import type { GgufTensor } from '../gguf/parse.ts';
import { type GgufFile, readGguf, tensorPieces } from '../gguf/read.ts';

export interface ListedTensor {
  readonly file: GgufFile;
  readonly name: string;
  readonly type: TensorType;
  /** As the file has them: the first is the length of a row. */
  readonly dimensions: readonly number[];
  readonly columns: number;
  /** All other dimensions multiplied. */
  readonly rows: number;
  readonly valueCount: number;
  readonly byteLength: number;
}

/** Consecutive whole rows, in an array of their own. */
export interface TensorRows {
  readonly firstRow: number;
  readonly rowCount: number;
  /** Shape (rowCount, columns). */
  readonly values: Float32Array;
}

/** Every tensor of a GGUF file, in its order. Throws with a message for the operator when it is no whole GGUF file. */
export async function listTensors(path: string, conversions: TensorConversions): Promise<readonly ListedTensor[]> {
  await checkGguf(path);
  const file = await readGguf(path);
  return file.tensors.map((tensor) => listed(file, tensor, conversions));
}

function listed(
  file: GgufFile,
  { name, type, shape, bytes }: GgufTensor,
  conversions: TensorConversions,
): ListedTensor {
  const valueCount = shape.reduce((product, size) => product * size, 1);
  const columns = shape[0] ?? 1;
  return {
    file,
    name,
    type: must(conversions.byName(type), `ggml has ${type}`),
    dimensions: shape,
    columns,
    rows: valueCount / columns,
    valueCount,
    byteLength: bytes,
  };
}

/**
 * Reads a tensor from its first row to its last, at most `valuesMax` values at a time but at least one row. Throws when
 * ggml cannot convert the type.
 */
export async function* readRows(
  { file, name, type, columns }: ListedTensor,
  conversions: TensorConversions,
  valuesMax = 2 ** 20,
): AsyncGenerator<TensorRows, void, undefined> {
  if (!type.canDequantize) throw new Error(`${name} is stored as ${type.name}, which ggml cannot read back`);
  const rowBytes = storedBytes(type, columns);
  const partBytes = Math.max(1, Math.floor(valuesMax / columns)) * rowBytes;
  let firstRow = 0;
  for await (const piece of tensorPieces(file, name))
    for (let offset = 0; offset < piece.length; offset += partBytes) {
      const part = piece.subarray(offset, offset + partBytes);
      const rowCount = part.length / rowBytes;
      yield { firstRow, rowCount, values: conversions.dequantize(type, part, rowCount * columns) };
      firstRow += rowCount;
    }
}
