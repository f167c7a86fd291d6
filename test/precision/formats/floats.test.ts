// Floats: every code of the 16-bit and 8-bit formats, rounding, overflow, and the native library's own conversions.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { libraryFiles } from '../../../src/llama/library-packages.ts';
import { bindNumbers } from '../../../src/llama/native-numbers.ts';
import { loadHostLibraries } from '../../../src/llama/tensor-conversions.ts';
import { exponentOf, roundHalfEven } from '../../../src/precision/formats/float-format.ts';
import { fp4E2M1, unsignedE4M3 } from '../../../src/precision/formats/fp4-blocks.ts';
import { fp8E4M3, fp8E5M2 } from '../../../src/precision/formats/fp8.ts';
import { bf16, fp16, fp32 } from '../../../src/precision/formats/ieee.ts';
import { roundFloats } from '../../../src/precision/formats/round-floats.ts';
import type { FloatFormat } from '../../../src/precision/formats/types.ts';

const small = [fp16, bf16, fp8E4M3, fp8E5M2, fp4E2M1, unsignedE4M3];
const signed = [fp16, bf16, fp8E4M3, fp8E5M2, fp4E2M1];
const named = (formats: readonly FloatFormat[]) => formats.map((format) => [format.id, format] as const);

/** Every finite magnitude in order, with its code. */
function magnitudes(format: FloatFormat): number[] {
  return Array.from({ length: format.finiteCodeCount }, (_, code) => format.decode(code));
}

describe.each(named(small))('every code of %s', (_, format) => {
  test('comes back from decoding and encoding', () => {
    const wrong: number[] = [];
    for (let code = 0; code < 2 ** format.bits; code++) {
      const value = format.decode(code);
      const expected = Number.isNaN(value) ? format.nanCode : code;
      if (format.encode(value) !== expected) wrong.push(code);
    }
    expect(wrong).toEqual([]);
  });

  test('is in order, one spacing after the one before', () => {
    const values = magnitudes(format);
    const wrong = values
      .slice(0, -1)
      .filter((value, code) => (values[code + 1] ?? 0) - value !== format.spacing(value));
    expect(wrong).toEqual([]);
    expect(values[0]).toBe(0);
    expect(values.at(-1)).toBe(format.range.largest);
    expect(values[1]).toBe(format.range.smallest);
  });

  test('takes halves to the even neighbour and all else to the nearest', () => {
    const wrong: number[] = [];
    const values = magnitudes(format);
    for (let code = 0; code + 1 < values.length; code++) {
      const [low, high] = [values[code] ?? 0, values[code + 1] ?? 0];
      const middle = (low + high) / 2;
      const even = code % 2 === 0 ? code : code + 1;
      const nudge = (high - low) * 2 ** -20;
      if (format.encode(middle) !== even) wrong.push(middle);
      if (format.encode(middle - nudge) !== code || format.encode(middle + nudge) !== code + 1) wrong.push(middle);
    }
    expect(wrong).toEqual([]);
  });
});

describe('what the widths promise', () => {
  test.each([
    [fp32, 3.4028234663852886e38, 2 ** -126, 2 ** -149],
    [fp16, 65504, 2 ** -14, 2 ** -24],
    [bf16, 3.3895313892515355e38, 2 ** -126, 2 ** -133],
    [fp8E4M3, 448, 2 ** -6, 2 ** -9],
    [fp8E5M2, 57344, 2 ** -14, 2 ** -16],
    [fp4E2M1, 6, 1, 0.5],
  ] as const)('%o', (format, largest, smallestNormal, smallest) => {
    expect(format.range).toEqual({ largest, smallestNormal, smallest });
  });

  test('NaN and infinity, and numbers too large', () => {
    expect(fp16.encode(Number.NaN)).toBe(0x7e00);
    expect(fp16.encode(Number.NEGATIVE_INFINITY)).toBe(0xfc00);
    expect(fp16.encode(65519.999)).toBe(0x7bff);
    expect(fp16.encode(65520)).toBe(0x7c00);
    expect(fp8E4M3.encode(Number.NaN)).toBe(0x7f);
    expect(fp8E4M3.decode(0xff)).toBeNaN();
    for (const large of [449, 464, 1e30, Number.POSITIVE_INFINITY]) {
      expect(fp8E4M3.encode(large)).toBe(0x7e);
      expect(fp8E4M3.encode(-large)).toBe(0xfe);
    }
    expect(fp8E5M2.encode(61439)).toBe(0x7b);
    expect(fp8E5M2.encode(61440)).toBe(0x7c);
    expect(fp8E5M2.decode(0xfc)).toBe(Number.NEGATIVE_INFINITY);
    expect(fp4E2M1.encode(1e9)).toBe(7);
    expect(fp32.encode(1e39)).toBe(0x7f800000);
  });

  test('zero keeps its sign', () => {
    for (const format of [fp32, ...signed]) {
      expect(format.decode(format.encode(-0))).toBe(-0);
      expect(format.decode(format.encode(0))).toBe(0);
      expect(format.decode(format.encode(-format.range.smallest / 4))).toBe(-0);
    }
  });

  test('one rounding, from 64 bits', () => {
    // Through fp32 first, this would become a half of fp16's unit and go down to 1.
    const value = 1 + 2 ** -11 + 2 ** -40;
    expect(Math.fround(value)).toBe(1 + 2 ** -11);
    expect(fp16.decode(fp16.encode(value))).toBe(1 + 2 ** -10);
  });
});

describe('properties', () => {
  const anyNumber = fc.double({ noNaN: true });

  test.each(named([fp32, ...signed]))('%s: no neighbour is nearer, and order is kept', (_, format) => {
    fc.assert(
      fc.property(anyNumber, anyNumber, (a, b) => {
        const stored = format.decode(format.encode(a));
        if (Math.abs(a) <= format.range.largest) {
          const code = format.encode(Math.abs(a));
          for (const neighbour of [code - 1, code + 1].filter((other) => other >= 0 && other < format.finiteCodeCount))
            expect(Math.abs(Math.abs(a) - Math.abs(stored))).toBeLessThanOrEqual(
              Math.abs(Math.abs(a) - format.decode(neighbour)),
            );
        }
        const other = format.decode(format.encode(b));
        expect(a <= b ? stored <= other : stored >= other).toBe(true);
      }),
    );
  });

  test('fp32 is what Math.fround makes', () => {
    fc.assert(fc.property(anyNumber, (value) => Object.is(fp32.decode(fp32.encode(value)), Math.fround(value))));
  });

  test('roundHalfEven and exponentOf', () => {
    expect([0.5, 1.5, 2.5, 2.4999, 2.5001, 0, 7].map(roundHalfEven)).toEqual([0, 2, 2, 2, 3, 0, 7]);
    expect([1, 1.99, 2, 0.5, 2 ** -149].map(exponentOf)).toEqual([0, 0, 1, -1, -149]);
  });
});

describe.each(named([fp32, fp16, bf16, fp8E4M3, fp8E5M2]))('many at once: roundFloats in %s', (_, format) => {
  const same = (values: Float32Array): void => {
    const rounded = roundFloats(format, values);
    const wrong = [...values].filter((value, index) => !Object.is(rounded[index], format.decode(format.encode(value))));
    expect(wrong).toEqual([]);
  };

  test('equals encoding one by one: any bits of a float32', () => {
    const bits = Uint32Array.from({ length: 100_000 }, (_, index) => Math.imul(index, 2654435761) >>> 0);
    same(new Float32Array(bits.buffer));
  });

  test('equals encoding one by one: numbers, middles and their float32 neighbours', () => {
    const step = Math.max(1, Math.floor(format.finiteCodeCount / 4096));
    const codes = Array.from({ length: Math.floor(format.finiteCodeCount / step) }, (_, index) => index * step);
    const exact = codes.flatMap((code) => [format.decode(code), (format.decode(code) + format.decode(code + 1)) / 2]);
    const around = new Float32Array(exact.filter(Number.isFinite));
    const bits = new Uint32Array(around.buffer);
    same(around);
    same(new Float32Array(bits.map((pattern) => pattern + 1).buffer));
    same(new Float32Array(bits.map((pattern) => Math.max(0, pattern - 1)).buffer).map((value) => -value));
    same(Float32Array.of(0, -0, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY));
  });
});

describe('the native library', () => {
  const native = bindNumbers(libraryFiles(loadHostLibraries(() => undefined).binsDir).ggmlBase);
  const codes = Uint16Array.from({ length: 65536 }, (_, code) => code);

  test('reads every fp16 code as the same number', () => {
    const values = new Float32Array(65536);
    native.ggml_fp16_to_fp32_row(codes, values, 65536);
    expect([...codes].filter((code) => !Object.is(values[code], fp16.decode(code)))).toEqual([]);
  });

  test('reads every bf16 code as the same number', () => {
    const values = new Float32Array(65536);
    native.ggml_bf16_to_fp32_row(codes, values, 65536);
    expect([...codes].filter((code) => !Object.is(values[code], bf16.decode(code)))).toEqual([]);
  });

  /** Any bits, and around the middles of neighbouring fp16 and bf16 numbers; no NaN, whose sign JavaScript does not keep. */
  const values = new Float32Array(
    [
      ...new Float32Array(Uint32Array.from({ length: 200_000 }, (_, i) => Math.imul(i, 2654435761) >>> 0).buffer),
      ...[...codes].flatMap((code) => [fp16, bf16].map((f) => (f.decode(code) + f.decode(code + 1)) / 2)),
      ...[65519.99, 65520, -65520, 2 ** -25, 2 ** -25 * 1.001, 2 ** -134, 3.4e38, -0],
    ].filter((value) => !Number.isNaN(value)),
  );

  test('writes the same fp16 codes', () => {
    const written = new Uint16Array(values.length);
    native.ggml_fp32_to_fp16_row(values, written, values.length);
    expect([...values].filter((value, index) => written[index] !== fp16.encode(value))).toEqual([]);
  });

  test('writes the same bf16 codes', () => {
    const written = new Uint16Array(values.length);
    native.ggml_fp32_to_bf16_row_ref(values, written, values.length);
    expect([...values].filter((value, index) => written[index] !== bf16.encode(value))).toEqual([]);
  });

  test('writes NaN as NaN', () => {
    const written = new Uint16Array(1);
    native.ggml_fp32_to_fp16_row(Float32Array.of(Number.NaN), written, 1);
    expect(written[0]).toBe(fp16.nanCode);
  });
});
