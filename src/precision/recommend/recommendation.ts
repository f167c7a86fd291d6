// What `octet recommend` writes: the schema is the type, so that a report read back is checked as it was written.

import { z } from 'zod';

const count = z.int().min(0);
const estimate = z.object({ value: z.number(), standardError: z.number() });

export const rowSchema = z.object({
  kind: z.enum(['reference', 'recommended', 'rival']),
  label: z.string(),
  fileBytes: count,
  bitsPerWeight: z.number(),
  /** From the model as it is; the reference has none. */
  divergence: estimate.optional(),
  perplexity: estimate,
  sameTop: estimate.optional(),
});
export type RecommendationRow = Readonly<z.infer<typeof rowSchema>>;

const textSchema = z.object({ path: z.string(), sha256: z.string(), windowCount: count });

export const recommendationSchema = z.object({
  kind: z.literal('octet-recommendation'),
  schema: z.literal(1),
  createdAt: z.string(),
  seconds: z.number(),
  command: z.string(),
  versions: z.object({ octet: z.string(), node: z.string(), llamaCpp: z.string() }),
  device: z.string(),
  model: z.object({ path: z.string(), sha256: z.string(), fileBytes: count, bitsPerWeight: z.number() }),
  budget: z.object({ given: z.string(), fileBytesMax: count.optional(), bitsPerWeightMax: z.number().optional() }),
  settings: z.object({
    formats: z.array(z.string()),
    grouping: z.string(),
    contextTokens: count,
    importance: z.string().optional(),
    calibration: textSchema,
    evaluation: textSchema,
  }),
  /** What each format costs each group alone: mean divergence on the calibration text, in nats a token. */
  groups: z.array(
    z.object({
      name: z.string(),
      valueCount: count,
      picked: z.string(),
      choices: z.array(z.object({ format: z.string(), bytes: count, loss: z.number() })),
    }),
  ),
  /** Steps that move scales before formats: what the best mix without one lost behind each on the calibration text. */
  scaling: z.object({
    picked: z.string(),
    tried: z.array(z.object({ step: z.string(), calibrationLoss: z.number() })),
  }),
  steps: z.array(
    z.object({
      kind: z.enum(['sum', 'round']),
      predictedLoss: z.number(),
      loss: z.number(),
      bytes: count,
      changedCount: count,
    }),
  ),
  mix: z.object({
    fileBytes: count,
    bitsPerWeight: z.number(),
    calibrationLoss: z.number(),
    tensors: z.array(z.object({ name: z.string(), type: z.string() })),
  }),
  rows: z.array(rowSchema),
  notes: z.array(z.string()),
});
export type Recommendation = Readonly<z.infer<typeof recommendationSchema>>;
