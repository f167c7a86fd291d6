// What every format makes of one number: its code by field, what it stores, the error, and how far its neighbours are.
// Why a block needs companions: its scale follows from the largest value in it, so that the same number is stored finely
// beside small ones and coarsely beside a large one. By default the number is alone and so the largest itself.

import { blockFormats, floatFormats } from '../formats/all-formats.ts';
import type { BlockFormat, FloatFields, FloatFormat } from '../formats/types.ts';
import {
  type BlockReport,
  type FloatBits,
  type FloatReport,
  type FormatReport,
  type Outcome,
  toJsonNumber,
  type ValueReport,
} from './value-report.ts';

/** Most other values beside one: what the smallest block, of 16, has room for. */
export const companionsMax = 15;

export interface WrittenNumber {
  readonly input: string;
  readonly value: number;
}

/** The number in every format. `companions`, at most `companionsMax` finite ones, share its block with it; zeros fill the rest. */
export function describeValue({ input, value }: WrittenNumber, companions: readonly number[]): ValueReport {
  return {
    input,
    value: toJsonNumber(value),
    companions: [...companions],
    formats: [
      ...floatFormats.map((format) => describeFloat(format, value)),
      ...blockFormats.map((format) => describeInBlock(format, value, companions)),
    ],
  };
}

function describeFloat(format: FloatFormat, value: number): FloatReport {
  const code = format.encode(value);
  const stored = format.decode(code);
  return {
    kind: 'float',
    format: format.id,
    label: format.label,
    bitsPerValue: format.bits,
    code: hexOf(code, format.bits),
    bits: bitsOf(format.fields, code),
    ...lossOf(value, stored, format.spacing(stored)),
    outcome: outcomeOf({ value, stored, spacing: format.spacing(stored), ...format.range }),
    range: format.range,
  };
}

function describeInBlock(format: BlockFormat, value: number, companions: readonly number[]): FormatReport {
  const { id, label, bitsPerValue, blockValues } = format;
  const values = new Float32Array(blockValues);
  values.set([value, ...companions]);
  if (!values.every(Number.isFinite))
    return { kind: 'refused', format: id, label, bitsPerValue, reason: refusalOf(value) };
  const block = format.encode(values);
  const code = block.codes[0] ?? 0;
  const [scale, element] = [format.scaleOf(block), format.elementOf(code)];
  const stored = Math.fround(element * scale);
  const blockLargest = Math.abs(scale) * largestElement(format);
  const spacing = Math.abs(scale) * elementSpacing(format, element);
  return {
    kind: 'block',
    format: id,
    label,
    bitsPerValue,
    blockValues,
    scale: {
      code: hexOf(block.scaleCode, format.scale.bits),
      bits: bitsOf(format.scale.fields, block.scaleCode),
      value: toJsonNumber(scale),
    },
    element: { ...elementCode(format, code), value: element },
    ...lossOf(value, stored, spacing),
    // The scale is rounded too, which moves a value by some hundredths of a step more.
    outcome: outcomeOf({ value, stored, spacing: spacing * 1.2, smallestNormal: 0 }),
    range: { ...format.range, blockLargest: toJsonNumber(blockLargest) },
  };
}

function refusalOf(value: number): string {
  if (Number.isNaN(value)) return 'integers and fp4 have no NaN';
  return Number.isFinite(value) ? 'beyond fp32, from which blocks are made' : 'a scale for infinity would be infinite';
}

function largestElement({ element }: BlockFormat): number {
  return element.kind === 'integer' ? Math.max(element.largest, -element.smallest) : element.format.range.largest;
}

function elementSpacing({ element }: BlockFormat, value: number): number {
  return element.kind === 'integer' ? 1 : element.format.spacing(value);
}

function elementCode({ element }: BlockFormat, code: number): Pick<BlockReport['element'], 'code' | 'bits'> {
  if (element.kind === 'integer')
    return { code: hexOf(code, element.bits), bits: { integer: binaryOf(code, element.bits) } };
  return { code: hexOf(code, element.format.bits), bits: bitsOf(element.format.fields, code) };
}

type Loss = Pick<FloatReport, 'stored' | 'error' | 'relativeError' | 'spacing'>;

function lossOf(value: number, stored: number, spacing: number): Loss {
  const error = Object.is(value, stored) ? 0 : stored - value;
  const relative = error === 0 && Number.isFinite(value) ? 0 : Math.abs(error / value);
  return {
    stored: toJsonNumber(stored),
    error: toJsonNumber(error),
    relativeError: Number.isFinite(relative) ? relative : null,
    spacing: Number.isFinite(spacing) ? spacing : null,
  };
}

interface Stored {
  readonly value: number;
  readonly stored: number;
  readonly spacing: number;
  readonly smallestNormal: number;
}

/** Further off than rounding explains, towards zero, is a value that the largest number had to stand for. */
function outcomeOf({ value, stored, spacing, smallestNormal }: Stored): Outcome {
  if (Number.isNaN(stored)) return 'nan';
  if (value === stored && (value === 0 || Math.abs(stored) >= smallestNormal)) return 'exact';
  if (!Number.isFinite(stored)) return 'overflow';
  if (stored === 0) return 'to-zero';
  if (Math.abs(value) - Math.abs(stored) > spacing / 2) return 'saturated';
  return Math.abs(stored) < smallestNormal ? 'subnormal' : 'rounded';
}

function bitsOf({ signBits, exponentBits, mantissaBits }: FloatFields, code: number): FloatBits {
  const text = binaryOf(code, signBits + exponentBits + mantissaBits);
  return {
    sign: text.slice(0, signBits),
    exponent: text.slice(signBits, signBits + exponentBits),
    mantissa: text.slice(signBits + exponentBits),
  };
}

function binaryOf(code: number, bits: number): string {
  return code.toString(2).padStart(bits, '0');
}

function hexOf(code: number, bits: number): string {
  return `0x${code.toString(16).padStart(Math.ceil(bits / 4), '0')}`;
}
