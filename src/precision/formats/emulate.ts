// Weight formats that the kernels cannot store, as a rounding of float32 rows: fp8 with a scale per tensor, int8 with a scale
// per row (output channel), int4 with a scale per group along the row.
// Why emulated: these are what other servers run; rounding the values and keeping 16 bits shows their quality, not their speed.
// Which scales: those of the usual checkpoints. fp8: largest / 448 (or 57,344) in fp32 over the tensor, as without it
// weights of 0.02 fall among the subnormal numbers of E4M3. int8_channel: largest of the row / 127 in fp32. int4_group:
// largest of the group / 7 in fp16, codes -7 to 7, so that nothing is clipped and zero is exact. All round half to even.

import { assert } from '../../assert.ts';
import { largestMagnitude } from './block-format.ts';
import { fp8E4M3, fp8E5M2 } from './fp8.ts';
import { fp16 } from './ieee.ts';
import { roundFloats } from './round-floats.ts';
import type { FloatFormat } from './types.ts';

/** How an emulated format scales its values, as data. */
export type Emulation =
  | { readonly kind: 'tensor-float'; readonly format: FloatFormat }
  | { readonly kind: 'channel-integer'; readonly largest: number }
  | { readonly kind: 'group-integer'; readonly largest: number; readonly groupValues: number };

export const emulations = {
  fp8_e4m3: { kind: 'tensor-float', format: fp8E4M3 },
  fp8_e5m2: { kind: 'tensor-float', format: fp8E5M2 },
  int8_channel: { kind: 'channel-integer', largest: 127 },
  int4_group32: { kind: 'group-integer', largest: 7, groupValues: 32 },
  int4_group64: { kind: 'group-integer', largest: 7, groupValues: 64 },
  int4_group128: { kind: 'group-integer', largest: 7, groupValues: 128 },
} as const satisfies Record<string, Emulation>;

export type EmulatedFormat = keyof typeof emulations;

export interface EmulationShape {
  /** Values in a row; a multiple of the group where there is one. */
  readonly columns: number;
  /**
   * Largest magnitude of the whole tensor, for formats with a scale per tensor. Left out, the given rows are the tensor;
   * needed when a tensor comes in parts.
   */
  readonly tensorLargest?: number;
  /** Where the results go; may be the values themselves. Shape (rows, columns). */
  readonly to?: Float32Array;
}

/**
 * Rows of float32 values as they come back from a format. Shapes (rows, columns), row by row. The values must be finite.
 * Throws when the columns are no whole groups. About 5 to 10 ns a value.
 */
export function roundThrough(format: EmulatedFormat, values: Float32Array, shape: EmulationShape): Float32Array {
  const { columns, to = new Float32Array(values.length) } = shape;
  assert(columns > 0 && values.length % columns === 0 && to.length === values.length, 'values are whole rows');
  const rule: Emulation = emulations[format];
  if (rule.kind === 'tensor-float') {
    const largest = shape.tensorLargest ?? largestMagnitude(values, 0, values.length);
    return roundScaledFloats(rule.format, { values, largest, to });
  }
  const groupValues = rule.kind === 'group-integer' ? rule.groupValues : columns;
  if (columns % groupValues !== 0)
    throw new Error(`${format} needs rows that are a multiple of ${groupValues} values. Given: ${columns}`);
  const scaleFormat = rule.kind === 'group-integer' ? fp16 : undefined;
  for (let offset = 0; offset < values.length; offset += groupValues)
    roundGroup(values, to, { offset, groupValues, largest: rule.largest, scaleFormat });
  return to;
}

interface ScaledFloats {
  readonly values: Float32Array;
  readonly largest: number;
  readonly to: Float32Array;
}

function roundScaledFloats(format: FloatFormat, { values, largest, to }: ScaledFloats): Float32Array {
  const scale = Math.fround(largest / format.range.largest);
  return scale === 0 ? to.fill(0) : roundFloats(format, values, { scale, to });
}

/** Added and taken away again, it leaves the nearest integer, halves to even. */
const roundingConstant = 1.5 * 2 ** 52;

interface Group {
  readonly offset: number;
  readonly groupValues: number;
  readonly largest: number;
  /** What the scale is stored in, when that is not fp32. */
  readonly scaleFormat: FloatFormat | undefined;
}

function roundGroup(values: Float32Array, to: Float32Array, group: Group): void {
  const { offset, groupValues, largest, scaleFormat } = group;
  const wanted = largestMagnitude(values, offset, groupValues) / largest;
  const scale = scaleFormat === undefined ? Math.fround(wanted) : storedScale(scaleFormat, wanted);
  if (scale === 0) {
    to.fill(0, offset, offset + groupValues);
    return;
  }
  for (let index = offset; index < offset + groupValues; index++) {
    const value = values[index] ?? 0;
    const units = value / scale + roundingConstant - roundingConstant;
    to[index] = Math.max(-largest, Math.min(largest, units)) * scale;
  }
}

/** A scale as its format keeps it; one too large for fp16 stays at its largest number. */
function storedScale(format: FloatFormat, scale: number): number {
  return format.decode(format.encode(Math.min(scale, format.range.largest)));
}
