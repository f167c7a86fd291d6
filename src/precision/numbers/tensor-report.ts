// What `octet numbers --tensor FILE:NAME --json` answers, as a schema.

import { z } from 'zod';
import { jsonNumberSchema } from './value-report.ts';

const measuredSchema = z.object({
  kind: z.literal('measured'),
  format: z.string(),
  label: z.string(),
  bitsPerValue: z.number(),
  /** Root of the mean square of the errors, and the largest of them. */
  rmsError: jsonNumberSchema,
  maxError: jsonNumberSchema,
  /** RMS error against the RMS of the values; null where all values are zero. */
  relativeRms: z.number().nullable(),
  /** The same as signal to noise in decibels; null where there is no noise. */
  snrDb: z.number().nullable(),
  /** Share of the values that are not zero and become zero. */
  zeroedShare: z.number(),
});

const unfitSchema = z.object({
  kind: z.literal('unfit'),
  format: z.string(),
  label: z.string(),
  bitsPerValue: z.number(),
  reason: z.string(),
});

export const formatErrorSchema = z.discriminatedUnion('kind', [measuredSchema, unfitSchema]);

export const tensorReportSchema = z.object({
  tensor: z.object({
    file: z.string(),
    name: z.string(),
    type: z.string(),
    /** The length of a row first. */
    dimensions: z.array(z.number()),
    rows: z.number(),
    columns: z.number(),
    values: z.number(),
    bytes: z.number(),
  }),
  statistics: z.object({
    min: z.number(),
    max: z.number(),
    mean: z.number(),
    standardDeviation: z.number(),
    /** 3 for a normal distribution; null when all values are equal. */
    kurtosis: z.number().nullable(),
    rms: z.number(),
    zeros: z.number(),
    /** NaN and infinities; counted here and taken as zero everywhere else. */
    nonFinite: z.number(),
  }),
  /** By size: values of [2^exponent, 2^(exponent + 1)); the lowest bin has fp32's subnormal numbers. */
  histogram: z.array(z.object({ exponent: z.number(), negative: z.number(), positive: z.number() })),
  outliers: z.array(
    z.object({
      value: z.number(),
      index: z.number(),
      row: z.number(),
      column: z.number(),
      /** Distance from the mean in standard deviations. */
      deviations: z.number(),
    }),
  ),
  formats: z.array(formatErrorSchema),
});

export type TensorReport = z.infer<typeof tensorReportSchema>;
export type FormatError = z.infer<typeof formatErrorSchema>;
