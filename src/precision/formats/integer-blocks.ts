// Integers in blocks of 32 that share an fp16 scale: Q8_0 (int8) and Q4_0 (int4), as llama.cpp stores them.
// Why every step is rounded to float32: the native quantizer computes in float32, and blocks must come out equal bit for bit.
// Why Q4_0 divides by -8: the largest value, whatever its sign, then takes the code that has no counterpart on the other side.
// Source: quantize_row_q8_0_ref and quantize_row_q4_0_ref of ggml-quants.c, llama.cpp v0.5.0. Where that code converts a
// number to an integer that cannot hold it (scales whose inverse overflows), it is undefined in C; here the code is 0.

import { defineBlock, largestMagnitude } from './block-format.ts';
import { fp16 } from './ieee.ts';

const { fround } = Math;
const blockValues = 32;

/** 1 / scale in float32, and 0 for a block of zeros. */
function inverse(scale: number): number {
  return scale === 0 ? 0 : fround(1 / scale);
}

function integers(count: number, elementOf: (code: number) => number): Float64Array {
  return Float64Array.from({ length: count }, (_, code) => elementOf(code));
}

/** -127 to 127 in two's complement; ties round away from zero. */
export const q8_0 = defineBlock({
  id: 'q8_0',
  label: 'int8 Q8_0',
  blockValues,
  rowMultiple: blockValues,
  bitsPerValue: 8.5,
  scale: fp16,
  element: { kind: 'integer', bits: 8, smallest: -127, largest: 127 },
  range: { largest: 127 * fp16.range.largest, smallest: fp16.range.smallest },
  // Half a unit, and the rounding of the scale.
  worstError: 0.5 / 127 + 2 ** -11,
  elements: integers(256, (code) => (code < 128 ? code : code - 256)),
  encodeInto(values, offset, codes) {
    const scale = fround(largestMagnitude(values, offset, blockValues) / 127);
    const factor = inverse(scale);
    for (let index = 0; index < blockValues; index++) {
      const units = fround((values[offset + index] ?? 0) * factor);
      // Truncation of what is half a unit further out. `| 0` also turns what is no integer into 0.
      codes[index] = (units + 0.5 * Math.sign(units)) | 0;
    }
    return fp16.encode(scale);
  },
});

/** -8 to 7, stored as 0 to 15; ties round up. */
export const q4_0 = defineBlock({
  id: 'q4_0',
  label: 'int4 Q4_0',
  blockValues,
  rowMultiple: blockValues,
  bitsPerValue: 4.5,
  scale: fp16,
  element: { kind: 'integer', bits: 4, smallest: -8, largest: 7 },
  range: { largest: 8 * fp16.range.largest, smallest: fp16.range.smallest },
  // A whole unit where a value is as large as the largest one with the other sign; else half of it.
  worstError: 1 / 8 + 2 ** -11,
  elements: integers(16, (code) => code - 8),
  encodeInto(values, offset, codes) {
    const scale = fround(signedLargest(values, offset) / -8);
    const factor = inverse(scale);
    for (let index = 0; index < blockValues; index++) {
      const units = fround(fround((values[offset + index] ?? 0) * factor) + 8.5);
      codes[index] = Math.min(15, units | 0);
    }
    return fp16.encode(scale);
  },
});

/** The value of the largest magnitude, with its sign; the first of several. */
function signedLargest(values: Float32Array, offset: number): number {
  let largest = 0;
  for (let index = offset; index < offset + blockValues; index++) {
    const value = values[index] ?? 0;
    if (Math.abs(value) > Math.abs(largest)) largest = value;
  }
  return largest;
}
