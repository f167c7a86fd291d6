// What an evaluation writes: the schema is the type, so that a report read back is checked as it was written.
// Why every outcome is kept and not only accuracies: two precisions with equal accuracy may answer differently item by item.

import { z } from 'zod';

const count = z.int().min(0);
const estimate = z.object({ value: z.number(), standardError: z.number() });
const proportion = estimate.extend({ count, low: z.number(), high: z.number() });

export const perplexitySchema = z.object({
  perplexity: z.number(),
  standardError: z.number(),
  tokenCount: count,
  windowCount: count,
});

export const divergenceSchema = z.object({
  /** How the reference was kept: whole rows side by side, or the k most likely tokens and one bucket (a lower bound). */
  method: z.discriminatedUnion('kind', [
    z.object({ kind: z.literal('exact') }),
    z.object({ kind: z.literal('top-k'), k: count, restMass: z.number() }),
  ]),
  tokenCount: count,
  perplexity: estimate,
  referencePerplexity: estimate,
  logRatio: estimate,
  correlation: z.number(),
  divergence: estimate.extend({
    median: z.number(),
    p90: z.number(),
    p99: z.number(),
    p999: z.number(),
    max: z.number(),
    /** Standard errors of the percentiles. */
    errors: z.object({ median: z.number(), p90: z.number(), p99: z.number(), p999: z.number() }).optional(),
  }),
  sameTop: estimate,
  shift: z.object({
    mean: estimate,
    rootMeanSquare: estimate,
    percentiles: z.object({
      min: z.number(),
      p01: z.number(),
      p1: z.number(),
      p5: z.number(),
      p50: z.number(),
      p95: z.number(),
      p99: z.number(),
      p999: z.number(),
      max: z.number(),
    }),
  }),
  byPosition: z.array(z.object({ from: count, to: count, divergence: estimate })),
});

export const flipsSchema = z.object({
  /** Wrong in the reference, right here; and the other way round. */
  gained: count,
  lost: count,
  /** Answers that differ, right or wrong. */
  changed: count,
  /** Two-sided probability of flips at least as uneven if both precisions were equally good (exact sign test). */
  chance: z.number(),
});

export const taskResultSchema = z.object({
  name: z.string(),
  kind: z.string(),
  accuracy: proportion,
  /** Another way of counting the same answers, such as by the sum instead of the mean of log-probabilities. */
  secondary: z.object({ name: z.string(), accuracy: proportion }).optional(),
  groups: z.array(z.object({ name: z.string(), accuracy: proportion })),
  passAt: z.array(z.object({ k: count, rate: estimate })).optional(),
  outcomes: z.array(z.object({ id: z.string(), score: z.number(), answer: z.string() })),
  flips: flipsSchema.optional(),
  seconds: z.number(),
});

export const servingSchema = z.object({
  streams: z.array(
    z.object({
      streamCount: count,
      tokensPerSecond: z.number(),
      timeToFirstTokenMs: z.object({ median: z.number(), p95: z.number() }),
      interTokenMs: z.object({ median: z.number() }),
    }),
  ),
  promptTokens: count,
  outputTokens: count,
  kvBytesPerToken: z.number(),
  weightBytes: count,
  memory: z.object({ budgetBytes: count, computeBytes: count, contextTokens: count }),
});

export const runSchema = z.object({
  id: z.string(),
  weights: z.object({
    label: z.string(),
    path: z.string(),
    /** Given as a file, or made from the model for the evaluation. */
    origin: z.enum(['file', 'made']).optional(),
    /** What the file says it holds: a format, or the name of the recipe that made it. */
    format: z.string().optional(),
    /** The format that the values were rounded through; they are stored at 16 bits, and size and speed are those of 16 bits. */
    emulated: z.string().optional(),
    /** The importance matrix that it was quantized with. */
    importance: z.string().optional(),
    sha256: z.string(),
    fileBytes: count,
    tensorBytes: count,
    bitsPerWeight: z.number(),
    description: z.string(),
  }),
  kv: z.object({ k: z.string(), v: z.string() }),
  isReference: z.boolean(),
  perplexity: z.number().optional(),
  perplexityDetail: perplexitySchema.optional(),
  divergence: divergenceSchema.optional(),
  tasks: z.array(taskResultSchema),
  serving: servingSchema.optional(),
  /** Why parts of the run are missing. */
  faults: z.array(z.string()),
});

export const evaluationSchema = z.object({
  kind: z.literal('octet-evaluation'),
  schema: z.literal(1),
  createdAt: z.string(),
  seconds: z.number(),
  settings: z.object({
    command: z.string(),
    suite: z.string(),
    metrics: z.array(z.string()),
    text: z.object({ path: z.string(), sha256: z.string(), tokenCount: count }).optional(),
    contextTokens: count,
    windowsMax: count.optional(),
    itemsMax: count.optional(),
    seed: count,
    threads: count,
    topK: count.optional(),
    tasks: z.array(
      z.object({
        name: z.string(),
        kind: z.string(),
        path: z.string(),
        sha256: z.string(),
        itemCount: count,
        leftOut: count,
      }),
    ),
  }),
  machine: z.object({ cpu: z.string(), cores: count, memoryBytes: count, platform: z.string(), device: z.string() }),
  versions: z.object({ octet: z.string(), node: z.string(), llamaCpp: z.string() }),
  runs: z.array(runSchema),
  warnings: z.array(z.string()),
});

export type Evaluation = z.infer<typeof evaluationSchema>;
export type EvaluationRun = z.infer<typeof runSchema>;
export type TaskResult = z.infer<typeof taskResultSchema>;
export type Flips = z.infer<typeof flipsSchema>;
export type Serving = z.infer<typeof servingSchema>;
export type Divergence = z.infer<typeof divergenceSchema>;
