// A floating-point format made from the widths of its fields: exact encoding, decoding and spacing for all of them.
// Why one piece of arithmetic: fp32, fp16, bf16, the two fp8, fp4 and the scales of blocks differ in widths, in what the top
// codes mean and in overflow, and in nothing else. A 64-bit number holds each of their values exactly.
// Source: IEEE 754-2019; OCP 8-bit Floating Point Specification 1.0 and OCP Microscaling Formats 1.0 for what differs.

import type { FloatFields, FloatFormat, FloatRange, Overflow } from './types.ts';

/** What the codes at the top mean: `ieee` has infinities and NaN, `nan` one NaN code, `finite` only numbers. */
export type TopCodes = 'ieee' | 'nan' | 'finite';

export interface FloatSpec {
  readonly id: string;
  readonly label: string;
  readonly fields: FloatFields;
  readonly topCodes: TopCodes;
  readonly overflow: Overflow;
}

/** Builds a format. Codes without sign run through the magnitudes in order, so that rounding up is adding one. */
export function defineFloat(spec: FloatSpec): FloatFormat {
  const { fields, topCodes, overflow } = spec;
  const magnitudeBits = fields.exponentBits + fields.mantissaBits;
  const codeCount = 2 ** magnitudeBits;
  const finiteCodeCount = codeCount - exceptionCodes(fields, topCodes);
  const infinityCode = topCodes === 'ieee' ? finiteCodeCount : undefined;
  const nanCode = nanCodeOf(fields, topCodes, codeCount);
  const exponentMin = 1 - fields.bias;
  const magnitudeOf = (code: number): number => decodeMagnitude(fields, code);
  const overflowCode = overflow === 'infinity' ? (infinityCode ?? finiteCodeCount - 1) : finiteCodeCount - 1;
  const range: FloatRange = {
    largest: magnitudeOf(finiteCodeCount - 1),
    smallestNormal: magnitudeOf(2 ** fields.mantissaBits),
    smallest: magnitudeOf(1),
  };

  return {
    id: spec.id,
    label: spec.label,
    bits: fields.signBits + magnitudeBits,
    fields,
    range,
    overflow,
    infinityCode,
    nanCode,
    finiteCodeCount,
    encode(value) {
      if (Number.isNaN(value)) return nanCode ?? 0;
      const isNegative = value < 0 || Object.is(value, -0);
      if (isNegative && fields.signBits === 0) return 0;
      const code = Math.abs(value) === Number.POSITIVE_INFINITY ? codeCount : encodeMagnitude(fields, Math.abs(value));
      const kept = code < finiteCodeCount ? code : overflowCode;
      return isNegative ? kept + codeCount : kept;
    },
    decode(code) {
      const isNegative = code >= codeCount;
      const magnitude = isNegative ? code - codeCount : code;
      const value =
        magnitude < finiteCodeCount
          ? magnitudeOf(magnitude)
          : magnitude === infinityCode
            ? Number.POSITIVE_INFINITY
            : Number.NaN;
      return isNegative ? -value : value;
    },
    spacing(stored) {
      if (!Number.isFinite(stored)) return Number.NaN;
      return 2 ** (Math.max(exponentOf(Math.abs(stored)), exponentMin) - fields.mantissaBits);
    },
  };
}

function exceptionCodes(fields: FloatFields, topCodes: TopCodes): number {
  if (topCodes === 'ieee') return 2 ** fields.mantissaBits;
  return topCodes === 'nan' ? 1 : 0;
}

/** The quiet NaN of IEEE 754 has the highest bit of the mantissa set. */
function nanCodeOf(fields: FloatFields, topCodes: TopCodes, codeCount: number): number | undefined {
  if (topCodes === 'ieee') return codeCount - 2 ** (fields.mantissaBits - 1);
  return topCodes === 'nan' ? codeCount - 1 : undefined;
}

/**
 * The code if exponents had no upper limit. Scaling by a power of two is exact, so that the one rounding is that to whole
 * units of the last place; a mantissa that rounds up to its limit carries into the exponent by itself.
 */
function encodeMagnitude({ mantissaBits, bias }: FloatFields, magnitude: number): number {
  const exponentMin = 1 - bias;
  const exponent = Math.max(exponentOf(magnitude), exponentMin);
  const units = roundHalfEven(magnitude / 2 ** (exponent - mantissaBits));
  return (exponent - exponentMin) * 2 ** mantissaBits + units;
}

function decodeMagnitude({ mantissaBits, bias }: FloatFields, code: number): number {
  const exponentField = Math.floor(code / 2 ** mantissaBits);
  const mantissa = code % 2 ** mantissaBits;
  return exponentField === 0
    ? mantissa * 2 ** (1 - bias - mantissaBits)
    : (mantissa + 2 ** mantissaBits) * 2 ** (exponentField - bias - mantissaBits);
}

const bits = new DataView(new ArrayBuffer(8));

/** The e of 2^e <= magnitude < 2^(e + 1); below every exponent in use for zero and 64-bit subnormal numbers. */
export function exponentOf(magnitude: number): number {
  bits.setFloat64(0, magnitude);
  return ((bits.getUint32(0) >>> 20) & 0x7ff) - 1023;
}

/** A non-negative number to the nearest integer, ties to the even one. */
export function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) return rest > 0.5 ? floor + 1 : floor;
  return floor % 2 === 0 ? floor : floor + 1;
}
