// Emulated files hold the values that the format would give back, in 16 bits, and say what they are.

import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createTensorConversions } from '../../src/llama/tensor-conversions.ts';
import { findEmulation, planEmulation, writeEmulated } from '../../src/precision/emulate-weights.ts';
import { type EmulatedFormat, emulations, roundThrough } from '../../src/precision/formats/emulate.ts';
import { type GgufFile, metadataValue, readGguf, tensorPieces } from '../../src/precision/gguf/read.ts';
import { isQuantizable } from '../../src/precision/recipes/eligible.ts';
import { chooseWeights } from '../../src/precision/weights.ts';
import { loadForTests, loadTestModel } from '../llama/loaded.ts';
import { demoModelPath, tinyModelPath } from './models.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'octet-emulate-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const libraries = loadForTests();
const conversions = createTensorConversions(libraries);

async function floatsOf(file: GgufFile, name: string): Promise<Float32Array> {
  const tensor = file.tensors.find((candidate) => candidate.name === name);
  const type = conversions.byName(tensor?.type ?? '');
  if (tensor === undefined || type === undefined) throw new Error(`no ${name}`);
  const parts: Uint8Array[] = [];
  for await (const piece of tensorPieces(file, name)) parts.push(piece);
  const count = tensor.shape.reduce((product, size) => product * size, 1);
  return conversions.dequantize(type, new Uint8Array(Buffer.concat(parts)), count);
}

async function emulated(format: EmulatedFormat, source = demoModelPath): Promise<string> {
  const target = join(folder, `${format}.gguf`);
  const plan = await planEmulation({ source, format });
  await writeEmulated(plan, target, { libraries, format });
  expect((await readGguf(target)).fileBytes).toBe(plan.fileBytes);
  return target;
}

test.each(['fp8_e4m3', 'fp8_e5m2', 'int8_channel', 'int4_group64'] as const)('%s', async (format) => {
  const [source, written] = [await readGguf(demoModelPath), await readGguf(await emulated(format))];
  for (const name of ['token_embd.weight', 'blk.2.ffn_down.weight', 'blk.5.attn_k.weight']) {
    const columns = source.tensors.find((tensor) => tensor.name === name)?.shape[0] ?? 0;
    const before = await floatsOf(source, name);
    const after = await floatsOf(written, name);
    const rounded = roundThrough(format, before, { columns });
    const largestOff = after.reduce(
      (most, value, index) => Math.max(most, Math.abs(value - (rounded[index] ?? 0)) / Math.max(1e-4, Math.abs(value))),
      0,
    );
    // At most half a step of 16-bit floats.
    expect(largestOff).toBeLessThanOrEqual(2 ** -11);
    expect(after).not.toEqual(before);
  }
  const norms = source.tensors.filter((tensor) => !isQuantizable(tensor));
  for (const { name } of norms) expect(await floatsOf(written, name)).toEqual(await floatsOf(source, name));
});

test('the file says what it is, and is served as it is', async () => {
  const path = await emulated('int8_channel', tinyModelPath);
  const file = await readGguf(path);
  expect(metadataValue(file, 'octet.emulated')).toBe('int8_channel');
  expect(await chooseWeights({ libraries, source: path, weights: 'auto' })).toMatchObject({
    kind: 'file',
    label: 'int8_channel (emulated)',
  });
  const model = await loadTestModel(path);
  expect(model.metadata('general.name')).toBe('stories260K');
  model.dispose();
});

test('unknown formats, and rows that are no whole groups, are refused before anything is written', async () => {
  expect(() => findEmulation('fp8_e4m2')).toThrow(
    /must be one of fp8_e4m3, .*Given: fp8_e4m2; did you mean fp8_e4m3\?/,
  );
  expect(Object.keys(emulations).map(findEmulation)).toEqual(Object.keys(emulations));
  const plan = await planEmulation({ source: tinyModelPath, format: 'int4_group32' });
  expect(plan.faults).toEqual([
    'int4_group32 needs rows that divide by 32. Given: 172 in blk.0.ffn_down.weight, and 4 more',
  ]);
  const target = join(folder, 'refused.gguf');
  await expect(writeEmulated(plan, target, { libraries, format: 'int4_group32' })).rejects.toThrow(/divide by 32/);
  expect(readdirSync(folder)).not.toContain('refused.gguf');
});

test('stopped, it leaves nothing behind', async () => {
  const target = join(folder, 'stopped.gguf');
  const controller = new AbortController();
  const plan = await planEmulation({ source: demoModelPath, format: 'fp8_e4m3' });
  const onProgress = () => controller.abort(new Error('enough'));
  const writing = writeEmulated(plan, target, { libraries, format: 'fp8_e4m3', onProgress, signal: controller.signal });
  await expect(writing).rejects.toThrow('enough');
  expect(readdirSync(folder).filter((name) => name.includes('stopped'))).toEqual([]);
});
