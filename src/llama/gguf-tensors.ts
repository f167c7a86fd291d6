// The tensors of a GGUF file: what it has, where each one's bytes lie, and its values as float32, a few rows at a time.
// Why rows and not the whole tensor: an embedding table of 1 GB would need several times that as float32.
// Why node-llama-cpp reads the header: it knows every version of the format and joins the parts of split files.

import { type FileHandle, open, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { checkGguf } from './source.ts';
import { storedBytes, type TensorConversions, type TensorType } from './tensor-conversions.ts';

export interface GgufTensor {
  readonly name: string;
  readonly type: TensorType;
  /** As the file has them: the first is the length of a row. */
  readonly dimensions: readonly number[];
  readonly columns: number;
  /** All other dimensions multiplied. */
  readonly rows: number;
  readonly valueCount: number;
  readonly byteLength: number;
  /** The file that holds the bytes: of a split model, one of its parts. */
  readonly path: string;
  readonly fileOffset: number;
}

/** Consecutive whole rows, in an array of their own. */
export interface TensorRows {
  readonly firstRow: number;
  readonly rowCount: number;
  /** Shape (rowCount, columns). */
  readonly values: Float32Array;
}

/** Texts of the vocabulary take most of a header's time and no tensor needs them. */
const ignoredKeys = ['tokenizer.ggml.tokens', 'tokenizer.ggml.merges', 'tokenizer.ggml.token_type'];

/** Every tensor of a GGUF file, in its order. Throws with a message for the operator when it is no readable GGUF file. */
export async function listTensors(path: string, conversions: TensorConversions): Promise<readonly GgufTensor[]> {
  await checkGguf(path);
  // Loaded only here: the library takes half a second.
  const { readGgufFileInfo } = await import('node-llama-cpp');
  const header = await readGgufFileInfo(path, {
    sourceType: 'filesystem',
    logWarnings: false,
    ignoreKeys: ignoredKeys,
  }).catch((error: unknown) => {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`the header of ${basename(path)} cannot be read: ${reason}`);
  });
  const { size } = await stat(path);
  // The reader takes bytes that are missing for zeros.
  if ((header.infoEndOffset ?? 0) > size)
    throw new Error(`the header of ${basename(path)} must end within the file of ${size} bytes: it is cut off`);
  const parts = header.sourceData.map((source) => (source.type === 'path' ? source.path : path));
  return (header.fullTensorInfo ?? []).map((entry) => {
    const type = conversions.byId(entry.ggmlType);
    if (type === undefined)
      throw new Error(`${entry.name} has the tensor type ${entry.ggmlType}, which these kernels do not know`);
    const dimensions = entry.dimensions.map(Number);
    const valueCount = dimensions.reduce((product, size) => product * size, 1);
    const columns = dimensions[0] ?? 1;
    return {
      name: entry.name,
      type,
      dimensions,
      columns,
      rows: valueCount / columns,
      valueCount,
      byteLength: storedBytes(type, valueCount),
      path: parts[entry.filePart - 1] ?? path,
      fileOffset: Number(entry.fileOffset),
    };
  });
}

/**
 * Reads a tensor from its first row to its last, at most `valuesMax` values at a time but at least one row. Throws when
 * the file ends too soon or when ggml cannot convert the type.
 */
export async function* readRows(
  tensor: GgufTensor,
  conversions: TensorConversions,
  valuesMax = 2 ** 20,
): AsyncGenerator<TensorRows, void, undefined> {
  const { columns, rows, type } = tensor;
  if (!type.canDequantize) throw new Error(`${tensor.name} is stored as ${type.name}, which ggml cannot read back`);
  await checkLength(tensor);
  const rowBytes = storedBytes(type, columns);
  const rowsAtOnce = Math.min(rows, Math.max(1, Math.floor(valuesMax / columns)));
  const bytes = new Uint8Array(rowsAtOnce * rowBytes);
  const file = await open(tensor.path);
  try {
    for (let firstRow = 0; firstRow < rows; firstRow += rowsAtOnce) {
      const rowCount = Math.min(rowsAtOnce, rows - firstRow);
      const part = bytes.subarray(0, rowCount * rowBytes);
      await readFully(file, part, tensor.fileOffset + firstRow * rowBytes);
      yield { firstRow, rowCount, values: conversions.dequantize(type, part, rowCount * columns) };
    }
  } finally {
    await file.close();
  }
}

async function checkLength({ name, path, fileOffset, byteLength }: GgufTensor): Promise<void> {
  const { size } = await stat(path);
  const end = fileOffset + byteLength;
  if (size < end)
    throw new Error(`${basename(path)} must have ${end} bytes to hold ${name}. It has ${size}: it is cut off`);
}

async function readFully(file: FileHandle, to: Uint8Array, position: number): Promise<void> {
  let filled = 0;
  while (filled < to.length) {
    const { bytesRead } = await file.read(to, filled, to.length - filled, position + filled);
    if (bytesRead === 0) throw new Error('the file became shorter while it was read');
    filled += bytesRead;
  }
}
