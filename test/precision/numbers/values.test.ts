// One number in every format: the report, its schema, and the table that people read.

import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { must } from '../../../src/assert.ts';
import { lookFor } from '../../../src/precision/numbers/ink.ts';
import { rangeMarkdown, rangeRows } from '../../../src/precision/numbers/range-table.ts';
import {
  type FormatReport,
  fromJsonNumber,
  numbersReportSchema,
  toJsonNumber,
} from '../../../src/precision/numbers/value-report.ts';
import { formatValues, reportValues } from '../../../src/precision/numbers/values.ts';
import { withSection } from '../../../src/server/document-tables.ts';

function reportOf(text: string, format: string, beside?: string): FormatReport {
  const [report] = reportValues([text], beside).values;
  return must(
    report?.formats.find((candidate) => candidate.format === format),
    'the format is reported',
  );
}

describe('reportValues', () => {
  test('0.1 in fp16: bits by field, stored value, errors and spacing', () => {
    const stored = 0.0999755859375;
    expect(reportOf('0.1', 'fp16')).toEqual({
      kind: 'float',
      format: 'fp16',
      label: 'fp16',
      bitsPerValue: 16,
      code: '0x2e66',
      bits: { sign: '0', exponent: '01011', mantissa: '1001100110' },
      stored,
      error: stored - 0.1,
      relativeError: (0.1 - stored) / 0.1,
      spacing: 2 ** -14,
      outcome: 'rounded',
      range: { largest: 65504, smallestNormal: 2 ** -14, smallest: 2 ** -24 },
    });
  });

  test('0.1 in Q8_0: alone it is the largest of its block', () => {
    const report = reportOf('0.1', 'q8_0');
    expect(report).toMatchObject({
      kind: 'block',
      blockValues: 32,
      element: { code: '0x7f', bits: { integer: '01111111' }, value: 127 },
      scale: { bits: { sign: '0', exponent: '00100', mantissa: '1001110011' } },
      outcome: 'rounded',
    });
    if (report.kind !== 'block') throw new Error('a block was expected');
    expect(fromJsonNumber(report.stored)).toBeCloseTo(0.1, 4);
    expect(report.spacing).toBe(report.scale.value);
  });

  test('a larger companion makes the block coarser', () => {
    expect(reportOf('0.02', 'q4_0')).toMatchObject({ outcome: 'rounded' });
    expect(reportOf('0.02', 'q4_0', '1,-0.5')).toMatchObject({ stored: -0, spacing: 0.125, outcome: 'to-zero' });
    expect(reportOf('0.02', 'mxfp4', '1')).toMatchObject({ stored: 0, scale: { value: 0.25 } });
  });

  test.each([
    ['65520', 'fp16', { stored: 'inf', error: 'inf', relativeError: null, spacing: null, outcome: 'overflow' }],
    ['1000', 'fp8_e4m3', { stored: 448, outcome: 'saturated' }],
    ['460', 'fp8_e4m3', { stored: 448, outcome: 'rounded' }],
    ['-inf', 'fp8_e4m3', { stored: -448, error: 'inf', outcome: 'saturated' }],
    ['inf', 'fp16', { stored: 'inf', error: 0, outcome: 'exact' }],
    ['nan', 'bf16', { stored: 'nan', relativeError: null, outcome: 'nan' }],
    ['1e-8', 'fp16', { stored: 0, error: -1e-8, relativeError: 1, outcome: 'to-zero' }],
    ['2^-20', 'fp16', { stored: 2 ** -20, error: 0, spacing: 2 ** -24, outcome: 'subnormal' }],
    ['-0', 'fp16', { code: '0x8000', outcome: 'exact' }],
    ['7.9', 'mxfp4', { stored: 6, outcome: 'saturated' }],
    ['0', 'q8_0', { stored: 0, error: 0, relativeError: 0, outcome: 'exact' }],
  ])('%s in %s', (text, format, expected) => {
    expect(reportOf(text, format)).toMatchObject(expected);
  });

  test('blocks hold only what float32 can', () => {
    expect(reportOf('nan', 'q8_0')).toMatchObject({ kind: 'refused', reason: 'integers and fp4 have no NaN' });
    expect(reportOf('inf', 'nvfp4')).toMatchObject({ kind: 'refused' });
    expect(reportOf('1e39', 'mxfp4')).toMatchObject({ reason: 'beyond fp32, from which blocks are made' });
  });

  test('any numbers make a report that its own schema accepts, also as JSON', () => {
    const companions = fc.array(fc.float({ noNaN: true, noDefaultInfinity: true }), { maxLength: 15 });
    fc.assert(
      fc.property(fc.double(), companions, (value, others) => {
        const text = Number.isFinite(value) ? value.toExponential() : value < 0 ? '-inf' : value > 0 ? 'inf' : 'nan';
        const report = reportValues(
          [text],
          others.length === 0 ? undefined : others.map((o) => o.toExponential()).join(','),
        );
        expect(() => numbersReportSchema.parse(JSON.parse(JSON.stringify(report)))).not.toThrow();
        for (const format of report.values[0]?.formats ?? []) {
          if (format.kind === 'refused') continue;
          expect(Object.values(format).every((field) => !Number.isNaN(field))).toBe(true);
        }
      }),
    );
  });

  test('refuses too many companions, infinite ones, and what is no number', () => {
    expect(() => reportValues(['1'], Array(16).fill('1').join(','))).toThrow(
      '--with must be at most 15 values, as a block of NVFP4 has 16. Given: 16',
    );
    expect(() => reportValues(['1'], '1e39')).toThrow('--with must be finite numbers of fp32. Given: 1e+39');
    expect(() => reportValues(['1'], '1,x')).toThrow('Given: x');
    expect(() => reportValues(['abc'])).toThrow('a number must be a decimal');
  });

  test('numbers that JSON lacks survive as texts', () => {
    for (const value of [0.5, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])
      expect(fromJsonNumber(toJsonNumber(value))).toBe(value);
  });
});

const plain = lookFor({ hasColor: false, columns: 120 });
const colored = lookFor({ hasColor: true, columns: 120 });

describe('formatValues', () => {
  test('reads well without colour', async () => {
    await expect(formatValues(reportValues(['0.1', '1e-8'], undefined), plain)).toMatchFileSnapshot(
      'values.golden.txt',
    );
  });

  test('colours the bits by field, and nothing else moves', () => {
    const report = reportValues(['-1/3', 'nan', '1e39'], '2,3');
    const [inColor, dull] = [formatValues(report, colored), formatValues(report, plain)];
    expect(inColor).toContain('\u001b[35m1\u001b[0m \u001b[32m01101\u001b[0m \u001b[36m0101010101\u001b[0m');
    // biome-ignore lint/suspicious/noControlCharactersInRegex: colour codes are control characters
    expect(inColor.replace(/\u001b\[\d+m/g, '')).toBe(dull);
  });

  test.each([80, 90, 100, 120])('fits a terminal of %d columns', (columns) => {
    const report = reportValues(['-1/3', '0.1', '65520', '1e-8', '-3e38'], '2,3');
    const lines = formatValues(report, lookFor({ hasColor: false, columns })).split('\n');
    expect(lines.filter((line) => line.length > columns)).toEqual([]);
    expect(lines.some((line) => line.includes('spacing'))).toBe(columns >= 100);
  });
});

describe('rangeRows', () => {
  test('has every format with what is known of it', () => {
    const rows = rangeRows();
    expect(rows.map(({ label }) => label)).toEqual([
      'fp32',
      'fp16',
      'bf16',
      'fp8 E4M3',
      'fp8 E5M2',
      'int8 Q8_0',
      'int4 Q4_0',
      'MXFP4',
      'NVFP4',
    ]);
    expect(rows.map(({ bitsPerValue }) => bitsPerValue)).toEqual([32, 16, 16, 8, 8, 8.5, 4.5, 4.25, 4.5]);
    expect(rows[3]).toMatchObject({ layout: '1 + 4 + 3', largest: 448, smallest: 2 ** -9, worstError: 1 / 16 });
  });

  test('docs/PRECISION.md has them', () => {
    const document = readFileSync(resolve(import.meta.dirname, '..', '..', '..', 'docs', 'PRECISION.md'), 'utf8');
    const hint = 'npm run build && node tools/write-documents.mjs';
    expect(document, hint).toBe(withSection(document, 'formats', rangeMarkdown()));
  });
});
