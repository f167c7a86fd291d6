// A tensor of a real file: statistics, histogram, errors by format, and what is said when it cannot be read.

import { copyFileSync, mkdtempSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { must } from '../../../src/assert.ts';
import { createTensorConversions, loadHostLibraries } from '../../../src/llama/tensor-conversions.ts';
import { findTrips, sumErrors } from '../../../src/precision/numbers/format-error.ts';
import { lookFor } from '../../../src/precision/numbers/ink.ts';
import { gatherExtent, gatherSpread } from '../../../src/precision/numbers/statistics.ts';
import { reportTensor } from '../../../src/precision/numbers/tensor.ts';
import { tensorReportSchema } from '../../../src/precision/numbers/tensor-report.ts';
import { listTensors, readRows } from '../../../src/precision/numbers/tensor-rows.ts';
import { formatTensor } from '../../../src/precision/numbers/tensor-table.ts';

const root = resolve(import.meta.dirname, '..', '..', '..');
const model = join(root, 'models', 'octet-demo-f16.gguf');
const stories = join(root, 'test', 'fixtures', 'stories260K', 'stories260K-f16.gguf');
const folder = mkdtempSync(join(tmpdir(), 'octet-numbers-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const conversions = createTensorConversions(loadHostLibraries(() => undefined));

const plain = lookFor({ hasColor: false, columns: 120 });
const colored = lookFor({ hasColor: true, columns: 120 });

describe('reportTensor', () => {
  test('measures a weight of the embedded model', async () => {
    const fractions: number[] = [];
    const report = await reportTensor(`${model}:blk.0.attn_v.weight`, { onProgress: (done) => fractions.push(done) });
    expect(() => tensorReportSchema.parse(JSON.parse(JSON.stringify(report)))).not.toThrow();
    expect(report.tensor).toMatchObject({
      type: 'f16',
      dimensions: [512, 128],
      rows: 128,
      columns: 512,
      values: 65536,
    });
    const counted = report.histogram.reduce((sum, bin) => sum + bin.negative + bin.positive, 0);
    expect(counted + report.statistics.zeros).toBe(65536);
    expect(fractions.at(-1)).toBe(1);

    const errors = new Map(report.formats.map((format) => [format.format, format]));
    expect(errors.get('fp16')).toMatchObject({ rmsError: 0, snrDb: null });
    const relative = (id: string): number => {
      const format = errors.get(id);
      return format?.kind === 'measured' ? (format.relativeRms ?? Number.NaN) : Number.NaN;
    };
    const finest = ['bf16', 'q8_0', 'fp8_e4m3', 'fp8_e5m2', 'int4_group32'].map(relative);
    expect(finest).toEqual(finest.toSorted((a, b) => a - b));
    expect(relative('fp8_e4m3_unscaled')).toBeGreaterThan(relative('fp8_e4m3'));
  });

  test('has the errors of the native library for the types that it stores', async () => {
    const own = await reportTensor(`${model}:blk.1.ffn_down.weight`, { formats: 'q8_0,q4_0,mxfp4,nvfp4,Q6_K,f16' });
    const tensor = must(
      (await listTensors(model, conversions)).find(({ name }) => name === 'blk.1.ffn_down.weight'),
      'found',
    );
    for (const format of own.formats) {
      const type = must(conversions.byName(format.format), 'a native type');
      let [squares, signal] = [0, 0];
      for await (const { values } of readRows(tensor, conversions)) {
        const stored = conversions.dequantize(
          type,
          conversions.quantize(type, values, { rowLength: tensor.columns }),
          values.length,
        );
        for (const [index, value] of values.entries()) {
          squares += (value - (stored[index] ?? 0)) ** 2;
          signal += value ** 2;
        }
      }
      if (format.kind !== 'measured') throw new Error('measured');
      expect(format.relativeRms).toBeCloseTo(Math.sqrt(squares / signal), 9);
    }
  });

  test('says where a format does not fit the rows', async () => {
    const { formats } = await reportTensor(`${stories}:blk.0.attn_q.weight`, { formats: 'q6_K,int4_group128,q8_0' });
    expect(formats.map(({ kind }) => kind)).toEqual(['unfit', 'unfit', 'measured']);
    expect(formats[0]).toMatchObject({ reason: 'rows must be a multiple of 256; these have 64' });
  });

  test('reads well', async () => {
    const report = await reportTensor(`${stories}:blk.0.attn_q.weight`);
    const shown = { ...report, tensor: { ...report.tensor, file: 'stories260K-f16.gguf' } };
    await expect(formatTensor(shown, plain)).toMatchFileSnapshot('tensor.golden.txt');
    const width = Math.max(
      ...formatTensor(shown, plain)
        .split('\n')
        .map((line) => line.length),
    );
    expect(width).toBeLessThanOrEqual(120);
    expect(formatTensor(shown, colored)).toContain('\u001b[');
  });

  test.each([
    ['model.gguf', '--tensor must be FILE:NAME, as in model.gguf:output.weight. Given: model.gguf'],
    [':name', '--tensor must be FILE:NAME, as in model.gguf:output.weight. Given: :name'],
    [join(folder, 'none.gguf:x'), 'the model file does not exist'],
    [`${stories}:blk.0.attn_w.weight`, 'has no tensor named "blk.0.attn_w.weight". Did you mean blk.0.attn_q.weight?'],
    [`${stories}:zzzzzzzzzzzzzzzz`, 'It has token_embd.weight'],
    [`${stories}:`, 'has no tensor named ""'],
  ])('refuses %s', async (place, message) => {
    await expect(reportTensor(place)).rejects.toThrow(message);
  });

  test('refuses files that are no GGUF or end too soon, and unknown formats', async () => {
    const text = join(folder, 'text.gguf');
    writeFileSync(text, 'this is a text that is longer than the header of a GGUF file');
    await expect(reportTensor(`${text}:x`)).rejects.toThrow('must be a GGUF file');
    const cut = join(folder, 'cut.gguf');
    copyFileSync(stories, cut);
    const { size } = statSync(stories);
    truncateSync(cut, size - 100);
    await expect(reportTensor(`${cut}:output.weight`)).rejects.toThrow(
      new RegExp(`cut\\.gguf is cut off: its tensors end at byte \\d+, the file at ${size - 100}`),
    );
    truncateSync(cut, 200);
    await expect(reportTensor(`${cut}:x`)).rejects.toThrow(
      'cut.gguf is cut off or broken: its header does not end within 200 bytes',
    );
    await expect(reportTensor(`${stories}:x`, { formats: 'q9' })).rejects.toThrow(
      /--formats must be among fp16, .*q6_K.* Given: q9/,
    );
    await expect(reportTensor(`${stories}:x`, { formats: 'iq2_xxs' })).rejects.toThrow('Given: iq2_xxs');
  });
});

describe('readRows', () => {
  test('gives the same values in parts of any size', async () => {
    const tensor = must(
      (await listTensors(stories, conversions)).find(({ name }) => name === 'blk.0.ffn_up.weight'),
      'found',
    );
    const gathered = async (valuesMax: number): Promise<number[]> => {
      const values: number[] = [];
      for await (const rows of readRows(tensor, conversions, valuesMax)) {
        expect(rows.firstRow * tensor.columns).toBe(values.length);
        values.push(...rows.values);
      }
      return values;
    };
    const whole = await gathered(2 ** 20);
    expect(whole).toHaveLength(tensor.valueCount);
    expect(await gathered(1)).toEqual(whole);
    expect(await gathered(5 * tensor.columns + 3)).toEqual(whole);
  });
});

describe('statistics', () => {
  test('moments, histogram and outliers of known values, in parts', () => {
    const values = Float32Array.of(1, -2, 4, 0, 3.5, -100, 0.25, 1e-42);
    const parts = [values.slice(0, 3), values.slice(3)];
    const extent = gatherExtent();
    extent.add(must(parts[0], 'part'), 0);
    extent.add(must(parts[1], 'part'), 3);
    const found = extent.result();
    expect(found).toMatchObject({ count: 8, nonFiniteCount: 0, zeroCount: 1, min: -100, max: 4, largest: 100 });
    expect(found.outliers.slice(0, 3)).toEqual([
      { value: -100, index: 5 },
      { value: 4, index: 2 },
      { value: 3.5, index: 4 },
    ]);
    expect(found.mean).toBeCloseTo(-93.25 / 8, 6);
    expect([found.histogram[127], found.histogram[256 + 128], found.histogram[0]]).toEqual([1, 1, 1]);
    const spread = gatherSpread(found);
    for (const part of parts) spread.add(part);
    const mean = [...values].reduce((sum, value) => sum + value, 0) / 8;
    const moment = (power: number): number => [...values].reduce((sum, value) => sum + (value - mean) ** power, 0) / 8;
    expect(spread.result().standardDeviation).toBeCloseTo(Math.sqrt(moment(2)), 6);
    expect(spread.result().kurtosis).toBeCloseTo(moment(4) / moment(2) ** 2, 6);
  });

  test('what is not finite counts apart and moves nothing', () => {
    const values = Float32Array.of(5, Number.NaN, 7, Number.NEGATIVE_INFINITY);
    const extent = gatherExtent();
    extent.add(values, 0);
    expect([...values]).toEqual([5, 0, 7, 0]);
    expect(extent.result()).toMatchObject({ count: 2, nonFiniteCount: 2, zeroCount: 0, mean: 6, min: 5, max: 7 });
    const spread = gatherSpread(extent.result());
    spread.add(values);
    expect(spread.result()).toMatchObject({ standardDeviation: 1, kurtosis: 1, squares: 74 });
  });

  test('the largest error and zeroed values are counted', () => {
    const [trip] = findTrips(conversions, ['fp8_e4m3_unscaled']);
    const sum = sumErrors(must(trip, 'found'), 500);
    sum.add(Float32Array.of(500, 0.0001, 0, 1), 4);
    expect(sum.result()).toMatchObject({ largest: 52, zeroedCount: 1 });
  });
});
