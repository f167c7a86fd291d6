// What is served for a wish: the file as it is, or weights that are made once and found again.

import { copyFileSync, mkdtempSync, readdirSync, rmSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { listEntries } from '../../src/precision/cache/entries.ts';
import { writeMatrixFile } from '../../src/precision/calibrate/matrix-file.ts';
import { readGguf } from '../../src/precision/gguf/read.ts';
import { chooseWeights, prepareWeights } from '../../src/precision/weights.ts';
import { archModelPath } from '../arch-models.ts';
import { loadForTests } from '../llama/loaded.ts';
import { tinyModelPath } from './models.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'octet-weights-test-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const libraries = loadForTests();
const choose = (weights: string, source = tinyModelPath) => chooseWeights({ libraries, source, weights });

async function prepared(weights: string, cacheFolder: string, source = tinyModelPath) {
  const warnings: string[] = [];
  const made = await prepareWeights(await choose(weights, source), {
    libraries,
    cacheFolder,
    threads: 1,
    warn: (text) => warnings.push(text),
  });
  return { ...made, warnings };
}

describe('choosing', () => {
  test('a file of 16 or 32 bits is served at int8 unless told otherwise', async () => {
    expect(await choose('auto')).toMatchObject({ kind: 'made', label: 'q8_0' });
    expect(await choose('auto', archModelPath('gemma3-dense'))).toMatchObject({ kind: 'made', label: 'q8_0' });
    expect(await choose('file')).toMatchObject({ kind: 'file', label: 'f16', source: tinyModelPath });
    expect(await choose('f16')).toMatchObject({ kind: 'file', label: 'f16', source: tinyModelPath });
    expect(await choose('file', archModelPath('gemma3-dense'))).toMatchObject({ kind: 'file', label: 'f32' });
    expect(await choose('bf16')).toMatchObject({ kind: 'made', label: 'bf16' });
  });

  test('a quantized file is served as it is; another format would need the original', async () => {
    const { path } = await prepared('q4_k_m', join(folder, 'choosing'));
    expect(await choose('auto', path)).toMatchObject({ kind: 'file', label: 'q4_k_m', source: path });
    await expect(choose('q8_0', path)).rejects.toThrow(
      /cannot make q8_0 weights of .*: the source is quantized already/,
    );
  });

  test('a format that needs an importance matrix cannot be made here', async () => {
    await expect(choose('iq1_s', archModelPath('gemma3-dense'))).rejects.toThrow(/needs an importance matrix/);
  });
});

describe('preparing', () => {
  test('makes the weights once, and finds them again whatever the file is called', async () => {
    const cache = join(folder, 'twice');
    const first = await prepared('int4-protected-edges', cache);
    expect(first).toMatchObject({ label: 'int4-protected-edges', reused: false, warnings: [] });
    expect((await readGguf(first.path)).fileBytes).toBe(first.bytes);
    const other = join(folder, 'another-name.gguf');
    copyFileSync(tinyModelPath, other);
    expect(await prepared('int4-protected-edges', cache, other)).toMatchObject({
      path: first.path,
      bytes: first.bytes,
      reused: true,
    });
    expect(await listEntries(cache)).toMatchObject([
      { model: 'stories260K-f16.gguf', format: 'int4-protected-edges', bytes: first.bytes },
    ]);
    expect(readdirSync(cache).filter((name) => !/\.(gguf|json)$/.test(name))).toEqual([]);
  });

  test('another format, or another recipe of the same name, is another entry', async () => {
    const cache = join(folder, 'formats');
    const recipe = join(folder, 'mine.json');
    writeFileSync(recipe, JSON.stringify({ default: 'q4_0' }));
    const one = await prepared(recipe, cache);
    writeFileSync(recipe, JSON.stringify({ default: 'q4_0', rules: [{ tensors: 'output', type: 'q8_0' }] }));
    const two = await prepared(recipe, cache);
    const three = await prepared('q8_0', cache);
    expect([one.label, two.label, three.label]).toEqual(['mine', 'mine', 'q8_0']);
    expect(new Set([one.path, two.path, three.path]).size).toBe(3);
  });

  test('weights made with another importance matrix are another entry, whatever it is called', async () => {
    const cache = join(folder, 'importance');
    const importancePath = join(folder, 'importance.gguf');
    const made: string[] = [];
    for (const large of [1, 1000]) {
      const sums = {
        inputCount: 64,
        matrixCount: 1,
        isRouted: false,
        counts: Float64Array.of(1),
        maxima: new Float32Array(64),
      };
      const squares = Float64Array.from({ length: 64 }, (_, index) => (index === 0 ? large : 1));
      const origin = { datasets: [], chunkCount: 1, chunkTokens: 1 };
      await writeMatrixFile(importancePath, new Map([['blk.0.attn_q.weight', { ...sums, squares }]]), origin);
      const choice = await chooseWeights({ libraries, source: tinyModelPath, weights: 'q4_0', importancePath });
      made.push((await prepareWeights(choice, { libraries, cacheFolder: cache, threads: 1 })).path);
    }
    made.push((await prepared('q4_0', cache)).path);
    expect(new Set(made).size).toBe(3);
  });

  test('past the limit of the cache, what was unused longest goes; what was made stays', async () => {
    const cache = join(folder, 'limited');
    const old = await prepared('q8_0', cache);
    const hourAgo = new Date(Date.now() - 3_600_000);
    utimesSync(old.path.replace(/gguf$/, 'json'), hourAgo, hourAgo);
    const warnings: string[] = [];
    const made = await prepareWeights(await choose('q4_0'), {
      libraries,
      cacheFolder: cache,
      cacheBytesMax: 1024,
      threads: 1,
      warn: (text) => warnings.push(text),
    });
    expect((await listEntries(cache)).map(({ path }) => path)).toEqual([made.path]);
    expect(warnings).toEqual([expect.stringMatching(/must take at most 1\.0 KiB\. It takes .*three minutes/)]);
  });

  test('an entry that is no longer whole is made again', async () => {
    const cache = join(folder, 'spoiled');
    const { path, bytes } = await prepared('q8_0', cache);
    truncateSync(path, bytes / 2);
    expect(await prepared('q8_0', cache)).toMatchObject({ path, bytes, reused: false });
    expect((await readGguf(path)).fileBytes).toBe(bytes);
  });

  test('several at once make it once', async () => {
    const cache = join(folder, 'crowd');
    const all = await Promise.all([prepared('q8_0', cache), prepared('q8_0', cache), prepared('q8_0', cache)]);
    expect(all.map(({ reused }) => reused).sort()).toEqual([false, true, true]);
    expect(new Set(all.map(({ path }) => path)).size).toBe(1);
  });

  test('a cache folder that cannot be written is replaced by a temporary one, in the open', async () => {
    const { path, warnings } = await prepared('q8_0', join(tinyModelPath, 'inside-a-file'));
    expect(warnings).toEqual([expect.stringMatching(/weights cache .* cannot be written .*; using .*octet-weights-/)]);
    expect((await readGguf(path)).tensors.length).toBe(48);
  });

  test('stopped while it waits for another process, it throws the reason', async () => {
    const cache = join(folder, 'stopped');
    const made = await prepared('q8_0', cache);
    rmSync(made.path);
    writeFileSync(`${made.path}.lock`, '');
    const stopped = prepareWeights(await choose('q8_0'), {
      libraries,
      cacheFolder: cache,
      signal: AbortSignal.timeout(50),
    });
    await expect(stopped).rejects.toThrow(/timeout/);
  });
});
