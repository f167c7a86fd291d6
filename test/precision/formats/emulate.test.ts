// Emulated weight formats: scales, groups, and that rounding twice changes nothing.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createRandom } from '../../../bench/random.ts';
import { type EmulatedFormat, emulations, roundThrough } from '../../../src/precision/formats/emulate.ts';
import { nvfp4 } from '../../../src/precision/formats/fp4-blocks.ts';
import { fp8E4M3 } from '../../../src/precision/formats/fp8.ts';
import { roundFloats } from '../../../src/precision/formats/round-floats.ts';

const names = Object.keys(emulations).filter((name): name is EmulatedFormat => name in emulations);

describe('roundThrough', () => {
  test('int8_channel has a scale for each row', () => {
    const values = Float32Array.of(127, 0.4, 0.6, -1.5, 1.27, 0.004, 0.006, -1.27);
    const rounded = roundThrough('int8_channel', values, { columns: 4 });
    expect([...rounded.subarray(0, 4)]).toEqual([127, 0, 1, -2]);
    expect(rounded[5]).toBe(0);
    expect(rounded[6]).toBeCloseTo(0.01, 7);
    expect(rounded[7]).toBeCloseTo(-1.27, 6);
  });

  test('int4_group has a scale for each group, symmetric, halves to even', () => {
    const values = new Float32Array(64);
    values.set([7, 0.5, 1.5, 2.5, -7, -0.5]);
    values.set([0.07, 0.005], 32);
    const rounded = roundThrough('int4_group32', values, { columns: 64 });
    expect([...rounded.subarray(0, 6)]).toEqual([7, 0, 2, 2, -7, 0]);
    expect(rounded[32]).toBeCloseTo(0.07, 4);
    expect(rounded[33]).toBe(0);
    // One group of 64 has the large scale for all.
    expect(roundThrough('int4_group64', values, { columns: 64 })[32]).toBe(0);
  });

  test('fp8 has one scale for the tensor, also when it comes in parts', () => {
    const values = Float32Array.from({ length: 512 }, (_, index) => Math.sin(index) * 0.02);
    const whole = roundThrough('fp8_e4m3', values, { columns: 128 });
    const tensorLargest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    for (let row = 0; row < 4; row++) {
      const part = values.slice(row * 128, row * 128 + 128);
      const rounded = roundThrough('fp8_e4m3', part, { columns: 128, tensorLargest });
      expect(rounded).toEqual(whole.slice(row * 128, row * 128 + 128));
    }
    const scale = Math.fround(tensorLargest / 448);
    for (const [index, value] of values.entries()) {
      expect(whole[index]).toBe(Math.fround(fp8E4M3.decode(fp8E4M3.encode(value / scale)) * scale));
    }
  });

  test('zeros stay zeros and shapes are checked', () => {
    for (const name of names) {
      expect([...roundThrough(name, new Float32Array(128), { columns: 128 })].every((value) => value === 0)).toBe(true);
    }
    expect(() => roundThrough('int4_group128', new Float32Array(96), { columns: 96 })).toThrow(
      'int4_group128 needs rows that are a multiple of 128 values. Given: 96',
    );
  });

  test.each(names)('%s: no value moves by more than half of its step', (name) => {
    const value = fc.float({ noNaN: true, noDefaultInfinity: true, min: -2, max: 2 });
    fc.assert(
      fc.property(fc.array(value, { minLength: 256, maxLength: 256 }), (numbers) => {
        const values = new Float32Array(numbers);
        const rounded = roundThrough(name, values, { columns: 128 });
        const largest = numbers.reduce((most, number) => Math.max(most, Math.abs(number)), 0);
        // fp8 E5M2 has two bits of mantissa: at most an eighth of the value; int4 a fourteenth of the largest.
        const bound = name.startsWith('fp8')
          ? (v: number) => Math.abs(v) / 8 + largest * 2 ** -15
          : () => largest / 13.9;
        expect([...values].filter((v, index) => Math.abs(v - (rounded[index] ?? 0)) > bound(v) + 1e-7)).toEqual([]);
        const inPlace = values.slice();
        roundThrough(name, inPlace, { columns: 128, to: inPlace });
        expect(inPlace).toEqual(rounded);
      }),
      { numRuns: 40 },
    );
  });
});

describe('why scales', () => {
  const random = createRandom(3);
  /** Twelve uniform numbers together: variance 1. Shape (131072,). */
  const normal = Float32Array.from({ length: 2 ** 17 }, () => {
    let total = -6;
    for (let draw = 0; draw < 12; draw++) total += random();
    return total;
  });

  /** RMS of the errors against that of the values, and the share of zeros. */
  function loss(deviation: number, send: (values: Float32Array) => Float32Array): [relative: number, zeroed: number] {
    const values = normal.map((value) => value * deviation);
    const back = send(values);
    let [noise, signal, zeros] = [0, 0, 0];
    for (const [index, value] of values.entries()) {
      noise += (value - (back[index] ?? 0)) ** 2;
      signal += value ** 2;
      if (back[index] === 0) zeros += 1;
    }
    return [Math.sqrt(noise / signal), zeros / values.length];
  }

  const alone = (values: Float32Array) => roundFloats(fp8E4M3, values);
  const scaled = (values: Float32Array) => roundThrough('fp8_e4m3', values, { columns: 1024 });
  const inBlocks = (values: Float32Array) => {
    const back = new Float32Array(values.length);
    nvfp4.roundTrip(values, back);
    return back;
  };

  test('the numbers in docs/PRECISION.md', () => {
    const shares = (send: typeof alone) => [0.1, 0.02, 0.002].map((deviation) => loss(deviation, send)[0]);
    const near = (found: readonly number[], said: readonly number[]) =>
      found.every((share, index) => Math.abs(share - (said[index] ?? 0)) < 0.03 * share);
    expect(near(shares(alone), [0.026, 0.033, 0.28])).toBe(true);
    expect(near(shares(scaled), [0.026, 0.026, 0.026])).toBe(true);
    expect(near(shares(inBlocks), [0.096, 0.103, 0.968])).toBe(true);
    expect(loss(0.002, alone)[1]).toBeCloseTo(0.37, 2);
  });
});
