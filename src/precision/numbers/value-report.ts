// What `octet numbers VALUE --json` answers, as a schema: for each value, each format's bits, stored value, error and spacing.
// Why texts for three numbers: JSON has neither NaN nor infinities.

import { z } from 'zod';

/** A number; `nan`, `inf` or `-inf` where JSON has none. */
export const jsonNumberSchema = z.union([z.number(), z.enum(['nan', 'inf', '-inf'])]);

/** The bits of a code by field, as texts of 0 and 1; a field that the format lacks is empty. */
const floatBitsSchema = z.object({ sign: z.string(), exponent: z.string(), mantissa: z.string() });

const lossFields = {
  stored: jsonNumberSchema,
  /** Stored minus given. */
  error: jsonNumberSchema,
  /** Size of the error against the size of the value; null where that is no number. */
  relativeError: z.number().nullable(),
  /** Distance of neighbouring numbers there; null where the stored value is not finite. */
  spacing: z.number().nullable(),
  outcome: z.enum(['exact', 'rounded', 'subnormal', 'to-zero', 'saturated', 'overflow', 'nan']),
};

const formatFields = { format: z.string(), label: z.string(), bitsPerValue: z.number() };

const floatReportSchema = z.object({
  kind: z.literal('float'),
  ...formatFields,
  /** Hexadecimal: `0x3dcd`. */
  code: z.string(),
  bits: floatBitsSchema,
  ...lossFields,
  range: z.object({ largest: z.number(), smallestNormal: z.number(), smallest: z.number() }),
});

const blockReportSchema = z.object({
  kind: z.literal('block'),
  ...formatFields,
  blockValues: z.number(),
  scale: z.object({ code: z.string(), bits: floatBitsSchema, value: jsonNumberSchema }),
  /** What the scale is multiplied with. `bits.integer` for integers. */
  element: z.object({
    code: z.string(),
    bits: z.union([z.object({ integer: z.string() }), floatBitsSchema]),
    value: z.number(),
  }),
  ...lossFields,
  /** Over all scales; `blockLargest` is what this block's scale reaches. */
  range: z.object({ largest: z.number(), smallest: z.number(), blockLargest: jsonNumberSchema }),
});

/** A format that cannot take the value at all. */
const refusedReportSchema = z.object({ kind: z.literal('refused'), ...formatFields, reason: z.string() });

export const formatReportSchema = z.discriminatedUnion('kind', [
  floatReportSchema,
  blockReportSchema,
  refusedReportSchema,
]);

export const valueReportSchema = z.object({
  /** As it was written. */
  input: z.string(),
  /** As the nearest 64-bit float, from which every format is rounded; blocks start from its fp32. */
  value: jsonNumberSchema,
  /** The other values of its block; the rest of the block are zeros. */
  companions: z.array(z.number()),
  formats: z.array(formatReportSchema),
});

export const numbersReportSchema = z.object({ values: z.array(valueReportSchema) });

export type JsonNumber = z.infer<typeof jsonNumberSchema>;
export type FloatBits = z.infer<typeof floatBitsSchema>;
export type FloatReport = z.infer<typeof floatReportSchema>;
export type BlockReport = z.infer<typeof blockReportSchema>;
export type FormatReport = z.infer<typeof formatReportSchema>;
export type ValueReport = z.infer<typeof valueReportSchema>;
export type Outcome = FloatReport['outcome'];

/** The number as JSON can have it. */
export function toJsonNumber(value: number): JsonNumber {
  if (Number.isNaN(value)) return 'nan';
  if (Number.isFinite(value)) return value;
  return value > 0 ? 'inf' : '-inf';
}

/** The number that a report means. */
export function fromJsonNumber(value: JsonNumber): number {
  if (typeof value === 'number') return value;
  if (value === 'nan') return Number.NaN;
  return value === 'inf' ? Number.POSITIVE_INFINITY : Number.NEGATIVE_INFINITY;
}
