// What a tuning run found out about the KV layouts, as it is kept: plain data.

import { z } from 'zod';

const count = z.int().min(1);

export const loadSchema = z.object({
  streams: count,
  promptTokens: count,
  outputTokens: count,
  sharedTokens: z.int().min(0),
});

const amount = z.number().min(0);
const stepSchema = z.object({
  rows: amount,
  ownCells: amount,
  sharedCells: amount,
  promptTokens: amount,
  promptDepth: amount,
  usedCells: amount,
  /** One a round. */
  ms: z.array(z.number().positive()).min(1).readonly(),
});
const stepsSchema = z.array(stepSchema).min(1).readonly();

export const layoutEvidenceSchema = z.object({
  load: loadSchema,
  noise: z.number().positive(),
  steps: z.object({ pooled: stepsSchema, 'per-sequence': stepsSchema }),
});

export const layoutReportSchema = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('measured'),
    evidence: layoutEvidenceSchema,
    /** What they come to with the caches that were planned here: the layout, and why. */
    layout: z.enum(['pooled', 'per-sequence']),
    text: z.string(),
    /** ISO 8601: when an earlier run measured it; absent where this one did. */
    at: z.string().optional(),
  }),
  z.object({ kind: z.literal('not-measured'), reason: z.string() }),
]);
export type LayoutReport = Readonly<z.infer<typeof layoutReportSchema>>;
