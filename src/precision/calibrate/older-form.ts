// The older form of importance matrix files (`imatrix.dat`), in which many published ones are.
// Why read only: it keeps neither the rows of each expert nor the length of a window; llama.cpp itself has moved to GGUF.
// Source: common_imatrix_load_legacy() in common/imatrix-loader.cpp of llama.cpp v0.5.0. All numbers are little-endian.

import type { MatrixEntry, MatrixFile } from './matrix.ts';

const decoder = new TextDecoder('utf-8', { fatal: true });

/** Reads the bytes of a file; undefined when they are not of this form. */
export function parseOlderForm(bytes: Uint8Array): MatrixFile | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let offset = 0;
  /** A count of at least one, whose things of `each` bytes are all there. */
  function count(each: number): number {
    const value = view.getInt32(offset, true);
    offset += 4;
    if (value < 1 || offset + value * each > bytes.length) throw new RangeError('a count does not fit the file');
    return value;
  }
  function text(): string {
    const length = count(1);
    offset += length;
    return decoder.decode(bytes.subarray(offset - length, offset));
  }
  function entry(): readonly [string, MatrixEntry] {
    const name = text();
    const windows = count(0);
    const squares = new Float32Array(count(4));
    for (let index = 0; index < squares.length; index++, offset += 4) squares[index] = view.getFloat32(offset, true);
    // Sums stand for a row a window here: divided by the windows, they are the mean squares.
    return [name, { squares, counts: Float32Array.of(windows), maxima: undefined }];
  }

  try {
    const entryCount = count(0);
    const entries = new Map<string, MatrixEntry>();
    for (let index = 0; index < entryCount; index++) entries.set(...entry());
    // Windows and the name of the text may be missing.
    const chunkCount = offset + 4 <= bytes.length ? count(0) : undefined;
    const datasets = offset + 4 <= bytes.length ? [text()] : [];
    return { entries, datasets, chunkCount, chunkTokens: undefined };
  } catch {
    return undefined;
  }
}
