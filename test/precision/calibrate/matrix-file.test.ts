// Importance matrix files: what is written is read again, in llama.cpp's form; what is broken is refused with its place.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { meanSquares } from '../../../src/precision/calibrate/matrix.ts';
import { readMatrixFile, writeMatrixFile } from '../../../src/precision/calibrate/matrix-file.ts';
import { matrixStatistics } from '../../../src/precision/calibrate/statistics.ts';
import { formatStatistics } from '../../../src/precision/calibrate/statistics-table.ts';
import type { ActivationSums } from '../../../src/precision/calibrate/sums.ts';
import { readGguf } from '../../../src/precision/gguf/read.ts';
import { writeGguf } from '../../../src/precision/gguf/write.ts';
import { tinyModelPath } from '../models.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'octet-matrix-file-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const sums = (of: Partial<ActivationSums>): ActivationSums => ({
  inputCount: 2,
  matrixCount: 1,
  isRouted: false,
  squares: Float64Array.of(1, 2),
  counts: Float64Array.of(4),
  maxima: Float32Array.of(0.5, 1),
  ...of,
});
const plain = sums({});
const stacked = sums({
  matrixCount: 2,
  squares: Float64Array.of(1, 2, 3, 4),
  counts: Float64Array.of(4, 4),
  maxima: Float32Array.of(5, 6, 7, 8),
});
const routed = sums({ ...stacked, isRouted: true, counts: Float64Array.of(4, 0) });
const origin = { datasets: ['a.txt', 'b.jsonl'], chunkCount: 3, chunkTokens: 512 };

test('sums, counts and origin come back; one count stands for matrices that all saw every row', async () => {
  const path = join(folder, 'whole.gguf');
  await writeMatrixFile(
    path,
    new Map([
      ['z', plain],
      ['a.experts', routed],
      ['m.stacked', stacked],
    ]),
    origin,
  );
  const file = await readMatrixFile(path);
  expect(file).toMatchObject(origin);
  expect([...file.entries]).toEqual([
    [
      'a.experts',
      { squares: Float32Array.of(1, 2, 3, 4), counts: Float32Array.of(4, 0), maxima: Float32Array.of(5, 6, 7, 8) },
    ],
    [
      'm.stacked',
      { squares: Float32Array.of(1, 2, 3, 4), counts: Float32Array.of(4), maxima: Float32Array.of(5, 6, 7, 8) },
    ],
    ['z', { squares: Float32Array.of(1, 2), counts: Float32Array.of(4), maxima: Float32Array.of(0.5, 1) }],
  ]);
  const { tensors } = await readGguf(path);
  expect(tensors.map(({ name, shape }) => [name, ...shape])).toEqual([
    ['a.experts.in_sum2', 2, 2],
    ['a.experts.counts', 1, 2],
    ['a.experts.in_max', 2, 2],
    ['m.stacked.in_sum2', 4],
    ['m.stacked.counts', 1],
    ['m.stacked.in_max', 4],
    ['z.in_sum2', 2],
    ['z.counts', 1],
    ['z.in_max', 2],
  ]);
});

test('means: an expert that no row went to is as important everywhere', () => {
  const entry = { squares: Float32Array.of(1, 2, 3, 4), counts: Float32Array.of(4, 0) };
  expect([...meanSquares(entry)]).toEqual([0.25, 0.5, 1, 1]);
});

/** As llama-imatrix --output-format dat writes it: a name, windows, sums; then windows and the text. */
function olderForm(sums: readonly number[], dataset = 'wiki.txt'): Buffer {
  const int = (value: number) => Buffer.from(Int32Array.of(value).buffer);
  const text = (value: string) => [int(value.length), Buffer.from(value)];
  const floats = Buffer.from(Float32Array.from(sums).buffer);
  return Buffer.concat([int(1), ...text('blk.0.w'), int(5), int(sums.length), floats, int(5), ...text(dataset)]);
}

test('the older form is read as well', async () => {
  const path = join(folder, 'older.dat');
  writeFileSync(path, olderForm([10, 20]));
  const file = await readMatrixFile(path);
  expect(file).toMatchObject({ datasets: ['wiki.txt'], chunkCount: 5, chunkTokens: undefined });
  const [[name, entry] = []] = [...file.entries];
  expect([name, entry && [...meanSquares(entry)]]).toEqual(['blk.0.w', [2, 4]]);
  writeFileSync(path, olderForm([10, Number.NaN]));
  await expect(readMatrixFile(path)).rejects.toThrow(/blk\.0\.w must have finite sums of squares. Given: NaN at 1/);
  writeFileSync(path, olderForm([10, 20]).subarray(0, 20));
  await expect(readMatrixFile(path)).rejects.toThrow(/must be a file as llama-imatrix or octet calibrate writes it/);
});

describe('what is broken', () => {
  async function written(tensors: Readonly<Record<string, readonly number[]>>): Promise<string> {
    const path = join(folder, `broken-${Object.keys(tensors).join('-')}-${Object.values(tensors).join('-')}.gguf`);
    const plans = Object.entries(tensors).map(
      ([name, { length }]) => ({ name, shape: [length], type: 'f32' }) as const,
    );
    await writeGguf(path, { entries: [], tensors: plans }, ({ name }) => [
      new Uint8Array(Float32Array.from(tensors[name] ?? []).buffer),
    ]);
    return path;
  }

  test('is named', async () => {
    await expect(readMatrixFile(await written({ 'w.in_sum2': [1] }))).rejects.toThrow(/must have w\.counts in f32/);
    await expect(readMatrixFile(await written({ 'w.in_sum2': [1, 2, 3], 'w.counts': [1, 1] }))).rejects.toThrow(
      /as many sums for each of its 2 counts. Given: 3/,
    );
    await expect(readMatrixFile(await written({ 'w.in_sum2': [1, -2], 'w.counts': [1] }))).rejects.toThrow(
      /finite sums of squares. Given: -2 at 1/,
    );
    const maxima = (...sizes: number[]) => written({ 'w.in_sum2': [1, 2], 'w.counts': [1], 'w.in_max': sizes });
    await expect(readMatrixFile(await maxima(1))).rejects.toThrow(/w\.in_max must have 2 finite sizes\. Given: 1$/);
    await expect(readMatrixFile(await maxima(1, -1))).rejects.toThrow(/2 finite sizes\. Given: -1 at 1$/);
    await expect(readMatrixFile(tinyModelPath)).rejects.toThrow(/holds no importance matrix/);
    await expect(readMatrixFile(join(folder, 'none.gguf'))).rejects.toThrow(
      /cannot read the importance matrix: ENOENT/,
    );
  });
});

describe('statistics', () => {
  test('of a tensor with one large channel, and of one like it a layer before', () => {
    const channels = (large: number) => Float32Array.from({ length: 100 }, (_, index) => (index === 0 ? large : 1));
    const entry = (large: number) => ({ squares: channels(large), counts: Float32Array.of(2), maxima: undefined });
    const [before, own] = matrixStatistics(
      new Map([
        ['blk.1.attn_k.weight', entry(101)],
        ['blk.0.attn_k.weight', entry(101)],
      ]),
    );
    expect(before?.tensor).toBe('blk.0.attn_k.weight');
    expect(own).toMatchObject({ layer: 1, channelCount: 100, rowCount: 2, sum: 100, mean: 1, max: 50.5, min: 0.5 });
    expect(own?.topShare).toBeCloseTo(0.505);
    expect(own?.activeShare).toBe(1);
    expect(own?.aboveShare).toBe(0.01);
    // 99 channels of 1/200 and one of 101/200.
    expect(own?.entropyBits).toBeCloseTo(-99 * 0.005 * Math.log2(0.005) - 0.505 * Math.log2(0.505), 9);
    expect(own?.similarityBefore).toBeCloseTo(1);
    expect(before?.similarityBefore).toBeUndefined();
  });

  test('experts that saw nothing do not count, and the table says so', () => {
    const entries = new Map([
      [
        'blk.0.ffn_up_exps.weight',
        { squares: Float32Array.of(1, 3, 0, 0), counts: Float32Array.of(1, 0), maxima: undefined },
      ],
    ]);
    const statistics = matrixStatistics(entries);
    expect(statistics).toMatchObject([{ channelCount: 2, sum: 4, unseenCount: 1, matrixCount: 2 }]);
    expect(formatStatistics(statistics)).toMatch(/1 of 2 experts saw no token/);
  });
});
