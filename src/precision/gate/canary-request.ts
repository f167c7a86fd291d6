// What is told to the canary's process, and what it answers: plain data.

import { z } from 'zod';
import type { KvTypes } from '../../kv-types.ts';
import type { Gpu } from '../../llama/library-packages.ts';

export interface CanaryRequest {
  /** An existing GGUF file; of a split model, its first part. */
  readonly modelPath: string;
  readonly gpu: 'auto' | Gpu;
  /** Layers on the GPU; -1 means all. */
  readonly gpuLayers: number;
  /** 0 means one per core. */
  readonly threads: number;
  readonly kvTypes: KvTypes;
  readonly text: string;
  /** Tokens of the text to read at most. */
  readonly tokensMax: number;
  /** From the process's start; what is measured by then is the result. */
  readonly secondsMax: number;
}

const numbers = z.object({
  tokenCount: z.int().min(1),
  tokensPlanned: z.int().min(1),
  divergence: z.object({
    mean: z.number(),
    standardError: z.number(),
    median: z.number(),
    p99: z.number(),
    max: z.number(),
  }),
  topAgreement: z.number(),
  flips: z.object({ gained: z.int(), lost: z.int() }),
  perplexity: z.number(),
  referencePerplexity: z.number(),
  seconds: z.number(),
});

export const canaryOutcome = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('measured'), numbers, gpu: z.string() }),
  z.object({ kind: z.literal('not-needed'), reason: z.string() }),
  z.object({ kind: z.literal('skipped'), reason: z.string() }),
  z.object({ kind: z.literal('failed'), reason: z.string() }),
]);

export const canaryMessage = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('progress'), fraction: z.number() }),
  z.object({ kind: z.literal('outcome'), outcome: canaryOutcome }),
]);
export type CanaryMessage = Readonly<z.infer<typeof canaryMessage>>;
