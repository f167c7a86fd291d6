// Blocks: equal to the native quantizers code by code and value by value, over the whole range of float32.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createRandom } from '../../../bench/random.ts';
import { must } from '../../../src/assert.ts';
import { createTensorConversions, loadHostLibraries } from '../../../src/llama/tensor-conversions.ts';
import { mxfp4, nvfp4 } from '../../../src/precision/formats/fp4-blocks.ts';
import { fp16 } from '../../../src/precision/formats/ieee.ts';
import { q4_0, q8_0 } from '../../../src/precision/formats/integer-blocks.ts';
import type { BlockFormat } from '../../../src/precision/formats/types.ts';

const types = createTensorConversions(loadHostLibraries(() => undefined));

interface Packing {
  readonly format: BlockFormat;
  /** Scale and codes of the block at `index` as the native library packs them. */
  readonly unpack: (bytes: Uint8Array, index: number) => { scaleCode: number; codes: number[] };
}

/** The first half of the values has the low halves of the bytes. */
function nibbles(bytes: Uint8Array): number[] {
  return [...[...bytes].map((byte) => byte & 15), ...[...bytes].map((byte) => byte >> 4)];
}

const word = (bytes: Uint8Array, offset: number): number => (bytes[offset] ?? 0) + 256 * (bytes[offset + 1] ?? 0);

const packings: readonly Packing[] = [
  {
    format: q8_0,
    unpack: (bytes, index) => ({
      scaleCode: word(bytes, index * 34),
      codes: [...bytes.subarray(index * 34 + 2, index * 34 + 34)],
    }),
  },
  {
    format: q4_0,
    unpack: (bytes, index) => ({
      scaleCode: word(bytes, index * 18),
      codes: nibbles(bytes.subarray(index * 18 + 2, index * 18 + 18)),
    }),
  },
  {
    format: mxfp4,
    unpack: (bytes, index) => ({
      scaleCode: bytes[index * 17] ?? 0,
      codes: nibbles(bytes.subarray(index * 17 + 1, index * 17 + 17)),
    }),
  },
  {
    // Four blocks of 16 together: their scales, then their codes.
    format: nvfp4,
    unpack: (bytes, index) => {
      const start = Math.floor(index / 4) * 36;
      const codes = start + 4 + (index % 4) * 8;
      return { scaleCode: bytes[start + (index % 4)] ?? 0, codes: nibbles(bytes.subarray(codes, codes + 8)) };
    },
  },
];

/** Rows of 64 values whose sizes differ by row from 2^-100 to 2^100, some with outliers, ties and zeros. */
function blockValues(count: number): Float32Array {
  const random = createRandom(7);
  const values = new Float32Array(count);
  for (let row = 0; row < count / 64; row++) {
    const scale = 2 ** Math.round((random() - 0.5) * (row % 3 === 0 ? 200 : 30));
    for (let column = 0; column < 64; column++) {
      const kind = random();
      const value = (random() - 0.5) * scale;
      const tie = (Math.round(random() * 24) / 4) * scale;
      values[row * 64 + column] = kind < 0.05 ? 0 : kind < 0.3 ? tie : kind < 0.33 ? value * 50 : value;
    }
  }
  return values;
}

/** Largest values next to powers of two, where log2 in float32 rounds up to the next one, and next to NVFP4's scales. */
function edgeValues(): Float32Array {
  const rows: number[] = [];
  for (let exponent = -110; exponent <= 120; exponent++) {
    for (let ulps = 0; ulps < 60; ulps++) {
      const largest = 2 ** exponent * (1 - ulps * 2 ** -24);
      rows.push(largest, ...Array.from({ length: 63 }, (_, index) => largest * Math.sin(index * 0.7 + ulps)));
    }
  }
  for (let step = 0; step < 4096; step++) {
    const largest = 2 ** -9 * 1.005 ** step * 0.2;
    rows.push(
      ...Array.from({ length: 64 }, (_, index) => (index % 16 === 3 ? largest : largest * Math.cos(index + step))),
    );
  }
  return new Float32Array(rows.filter((value) => Math.abs(value) < 1e38));
}

describe.each(packings.map((packing) => [packing.format.id, packing] as const))('%s', (id, { format, unpack }) => {
  const type = must(types.byName(id), 'the native library has the type');

  function compare(values: Float32Array): void {
    const bytes = types.quantize(type, values, { rowLength: 64 });
    const back = types.dequantize(type, bytes, values.length);
    const ours = new Float32Array(values.length);
    format.roundTrip(values, ours);
    const wrong: unknown[] = [];
    for (let index = 0; index * format.blockValues < values.length; index++) {
      const at = index * format.blockValues;
      const block = format.encode(values.slice(at, at + format.blockValues));
      const native = unpack(bytes, index);
      const codesDiffer = native.codes.some((code, position) => code !== block.codes[position]);
      if (native.scaleCode !== block.scaleCode || codesDiffer) wrong.push({ index, native, block });
    }
    expect(wrong.slice(0, 2)).toEqual([]);
    expect([...ours.keys()].filter((index) => !Object.is(ours[index], back[index])).slice(0, 5)).toEqual([]);
  }

  test('equals the native quantizer: many sizes, ties, outliers', () => compare(blockValues(64 * 4000)));

  test('equals the native quantizer: at the edges of scales', () => compare(edgeValues()));

  test('stores zeros as zeros', () => compare(new Float32Array(64)));

  test('no element would be nearer with the same scale', () => {
    const elements = Array.from(
      { length: 2 ** (format.element.kind === 'integer' ? format.element.bits : 4) },
      (_, code) => format.elementOf(code),
    ).filter((element) => format.element.kind === 'float' || element >= format.element.smallest);
    const value = fc.float({ noNaN: true, noDefaultInfinity: true, min: -8, max: 8 });
    fc.assert(
      fc.property(fc.array(value, { minLength: format.blockValues, maxLength: format.blockValues }), (numbers) => {
        const values = new Float32Array(numbers);
        const block = format.encode(values);
        const scale = format.scaleOf(block);
        // The codes were chosen with the scale before it was rounded to fp16: half a unit of it, up to 128 times, both ways.
        const slack = format.scale.label === 'fp16' ? 2.1 * 128 * Math.max(Math.abs(scale) * 2 ** -11, 2 ** -25) : 0;
        for (const [index, number] of values.entries()) {
          const error = Math.abs(number - format.elementOf(block.codes[index] ?? 0) * scale);
          const least = Math.min(...elements.map((element) => Math.abs(number - element * scale)));
          expect(error).toBeLessThanOrEqual(least + slack);
        }
      }),
      { numRuns: 60 },
    );
  });
});

describe('errors', () => {
  test.each(packings.map(({ format }) => [format.id, format] as const))('of %s stay within its worst', (_, format) => {
    const value = fc.float({ noNaN: true, noDefaultInfinity: true, min: -8, max: 8 });
    // A block of 1 to 64 times this: every scale is a normal number of its format.
    const block = fc.array(value, { minLength: format.blockValues, maxLength: format.blockValues });
    fc.assert(
      fc.property(block, fc.integer({ min: 0, max: 6 }), (numbers, exponent) => {
        const values = Float32Array.from(numbers, (number) => number * 2 ** exponent);
        values[0] = Math.max(1, values[0] ?? 1);
        const back = new Float32Array(format.blockValues);
        format.roundTrip(values, back);
        const largest = values.reduce((most, number) => Math.max(most, Math.abs(number)), 0);
        const errors = values.map((number, index) => Math.abs(number - (back[index] ?? 0)));
        expect(Math.max(...errors)).toBeLessThanOrEqual(format.worstError * largest * (1 + 1e-6));
      }),
      { numRuns: 200 },
    );
  });

  test('reach it: the bounds are no larger than they must be', () => {
    const worst = (format: BlockFormat, numbers: readonly number[]): number => {
      const values = new Float32Array(format.blockValues);
      values.set(numbers);
      const back = new Float32Array(format.blockValues);
      format.roundTrip(values, back);
      return (
        Math.max(...values.map((number, index) => Math.abs(number - (back[index] ?? 0)))) / Math.abs(numbers[0] ?? 1)
      );
    };
    expect(worst(q8_0, [127, 126.5])).toBeGreaterThanOrEqual(q8_0.worstError - 2 ** -11);
    expect(worst(q4_0, [-8, 8])).toBe(1 / 8);
    expect(worst(mxfp4, [7.99999])).toBeCloseTo(mxfp4.worstError, 5);
    expect(worst(nvfp4, [6 * 1.0625, 5 * 1.125 - 1e-6])).toBeCloseTo(nvfp4.worstError, 4);
  });
});

describe('what the formats can and cannot', () => {
  const trip = (format: BlockFormat, numbers: readonly number[]): number[] => {
    const values = new Float32Array(format.blockValues);
    values.set(numbers);
    const back = new Float32Array(format.blockValues);
    format.roundTrip(values, back);
    return [...back.subarray(0, numbers.length)];
  };

  test('the largest value of a block decides how fine the others are', () => {
    expect(trip(q8_0, [127, 1, 0.4, 0.6])).toEqual([127, 1, 0, 1]);
    expect(trip(q4_0, [-8, 7, 0.4, 0.6, 8])).toEqual([-8, 7, 0, 1, 7]);
    expect(trip(mxfp4, [6, 5, 2.5, 0.25, 0.26, -0.75])).toEqual([6, 4, 2, 0, 0.5, -0.5]);
    expect(trip(nvfp4, [6, 5, 2.5, 0.25, 0.26, -0.75])).toEqual([6, 4, 2, 0, 0.5, -0.5]);
  });

  test('the scale has limits of its own', () => {
    expect(trip(q8_0, [127 * 2 ** -26])).toEqual([0]);
    expect(trip(q8_0, [127 * 70000])).toEqual([Number.POSITIVE_INFINITY]);
    expect(trip(nvfp4, [1e6, 2000])).toEqual([2688, 1792]);
    // Rounding of the native search: 1e12 lies equally far from every element, in float32.
    expect(trip(nvfp4, [1e12])).toEqual([0]);
    expect(trip(nvfp4, [2 ** -9])).toEqual([0]);
    expect(trip(nvfp4, [1600])).toEqual([1792]);
  });

  test('ranges follow from scale and element', () => {
    expect(q8_0.range).toEqual({ largest: 127 * 65504, smallest: 2 ** -24 });
    expect(q4_0.range).toEqual({ largest: 8 * 65504, smallest: 2 ** -24 });
    expect(nvfp4.range).toEqual({ largest: 2688, smallest: 2 ** -10 });
    expect(fp16.decode(1)).toBe(2 ** -24);
  });
});
