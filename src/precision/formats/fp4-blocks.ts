// 4-bit floats in blocks: MXFP4 (32 values, a power of two as scale) and NVFP4 (16 values, an 8-bit float as scale).
// Why the pair: a power of two costs only 8 bits for 32 values but wastes up to half of the range; NVFP4's scale fits the
// largest value, at the price of a small range of its own: the checkpoints NVFP4 was made for carry one more scale per tensor.
// Why ties go to the smaller magnitude, and what rounds NVFP4's scale: the native quantizer does so, and blocks must come out equal.
// Source: OCP Microscaling Formats 1.0; quantize_row_mxfp4_ref, quantize_row_nvfp4_ref (ggml-quants.c) and
// ggml_fp32_to_ue4m3 (ggml-impl.h), llama.cpp v0.5.0.

import { defineBlock, largestMagnitude } from './block-format.ts';
import { defineFloat, exponentOf } from './float-format.ts';
import type { ScaleFormat } from './types.ts';

const { fround } = Math;

/** The element of both: 0, 0.5, 1, 1.5, 2, 3, 4, 6 and their negatives; neither infinity nor NaN. */
export const fp4E2M1 = defineFloat({
  id: 'fp4_e2m1',
  label: 'fp4 E2M1',
  fields: { signBits: 1, exponentBits: 2, mantissaBits: 1, bias: 1 },
  topCodes: 'finite',
  overflow: 'saturate',
});

/** A power of two, 2^(code - 127); no zero, and 255 is NaN. */
export const e8m0: ScaleFormat = {
  label: 'E8M0',
  bits: 8,
  fields: { signBits: 0, exponentBits: 8, mantissaBits: 0, bias: 127 },
  decode: (code) => (code === 255 ? Number.NaN : 2 ** (code - 127)),
};

/** fp8 E4M3 without its sign bit. */
export const unsignedE4M3 = defineFloat({
  id: 'ue4m3',
  label: 'E4M3, unsigned',
  fields: { signBits: 0, exponentBits: 4, mantissaBits: 3, bias: 7 },
  topCodes: 'nan',
  overflow: 'saturate',
});

const elements = Float64Array.from({ length: 16 }, (_, code) => fp4E2M1.decode(code));
const fp4 = { element: { kind: 'float', format: fp4E2M1 }, elements } as const;

export const mxfp4 = defineBlock({
  id: 'mxfp4',
  label: 'MXFP4',
  blockValues: 32,
  rowMultiple: 32,
  bitsPerValue: 4.25,
  scale: e8m0,
  ...fp4,
  // The largest product that float32 holds; scales reach further than the numbers they scale.
  range: { largest: 1.5 * 2 ** 127, smallest: 2 ** -128 },
  // A largest value of just under 8 times the scale becomes 6.
  worstError: 1 / 4,
  encodeInto(values, offset, codes) {
    const largest = largestMagnitude(values, offset, 32);
    // Two binades below the largest value, as 6 = 1.5 * 2^2 is the largest element. log2 rounded to float32, as log2f does.
    const exponent = largest > 0 ? Math.floor(fround(Math.log2(largest))) - 2 : -127;
    const scaleCode = Math.max(0, exponent + 127);
    encodeElements({ values, offset, count: 32, scale: e8m0.decode(scaleCode) }, codes);
    return scaleCode;
  },
});

export const nvfp4 = defineBlock({
  id: 'nvfp4',
  label: 'NVFP4',
  blockValues: 16,
  rowMultiple: 64,
  bitsPerValue: 4.5,
  scale: unsignedE4M3,
  ...fp4,
  range: { largest: 6 * unsignedE4M3.range.largest, smallest: 0.5 * unsignedE4M3.range.smallest },
  // Half of the step from 4 to 6, with a scale that was rounded up from 17 to 18 sixteenths.
  worstError: 18 / 17 / 6,
  encodeInto(values, offset, codes) {
    const scaleCode = encodeScale(fround(largestMagnitude(values, offset, 16) / 6));
    encodeElements({ values, offset, count: 16, scale: unsignedE4M3.decode(scaleCode) }, codes);
    return scaleCode;
  },
});

interface ElementRun {
  readonly values: Float32Array;
  readonly offset: number;
  readonly count: number;
  readonly scale: number;
}

function encodeElements({ values, offset, count, scale }: ElementRun, codes: Uint8Array): void {
  for (let index = 0; index < count; index++) {
    const value = values[offset + index] ?? 0;
    const code = scale === 0 ? 0 : magnitudeCode(Math.abs(value), scale);
    codes[index] = value < 0 && code > 0 ? code + 8 : code;
  }
}

/**
 * The nearest of the eight magnitudes: how many middles between them are smaller; exactly on a middle the lower one. Sums of
 * comparisons, as a processor guesses branches on weights wrong half of the time.
 */
function magnitudeCode(magnitude: number, scale: number): number {
  if (magnitude > 6 * scale) return codeBeyond(magnitude, scale);
  return (
    Number(magnitude > 0.25 * scale) +
    Number(magnitude > 0.75 * scale) +
    Number(magnitude > 1.25 * scale) +
    Number(magnitude > 1.75 * scale) +
    Number(magnitude > 2.5 * scale) +
    Number(magnitude > 3.5 * scale) +
    Number(magnitude > 5 * scale)
  );
}

/**
 * For what no element reaches: the native search takes the first of the smallest errors in float32, and errors of a number
 * that is millions of times the scale all round to the same. So it becomes not the largest element but a smaller one, even 0.
 */
function codeBeyond(magnitude: number, scale: number): number {
  let code = 0;
  let least = magnitude;
  for (let candidate = 1; candidate < 8; candidate++) {
    const error = fround(magnitude - (elements[candidate] ?? 0) * scale);
    if (error >= least) continue;
    code = candidate;
    least = error;
  }
  return code;
}

/**
 * The native rounding of a scale, which is not quite to nearest: halves go up, the subnormal numbers end at 7 units, and
 * all from 256 on becomes 448.
 */
function encodeScale(scale: number): number {
  if (!(scale > 0)) return 0;
  const exponent = exponentOf(scale);
  if (exponent < -6) return Math.min(7, Math.trunc(fround(scale * 512 + 0.5)));
  const units = Math.floor(scale / 2 ** (exponent - 4));
  const code = (exponent + 6) * 8 + ((units + 1) >> 1);
  return exponent >= 8 || code >= 0x78 ? 0x7e : code;
}
