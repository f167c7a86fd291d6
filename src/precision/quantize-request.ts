// What is told to whoever quantizes: plain data, so that it may be another process.

import { z } from 'zod';
import type { TensorTypeName } from '../llama/tensor-types.ts';
import type { ReadyStep } from './scaling/plan-scaling.ts';

export interface QuantizeRequest {
  /** An existing GGUF file; of a split model, its first part. */
  readonly source: string;
  /** Where to write; it must not exist. */
  readonly target: string;
  /** The format of every tensor, by name. */
  readonly types: readonly (readonly [name: string, type: TensorTypeName])[];
  readonly allowRequantize: boolean;
  /** What moves scales first, if anything does. */
  readonly scaling?: ScalingRequest;
  /** Path of an importance matrix. */
  readonly importancePath: string | undefined;
  /** Metadata to set: texts of at most 127 bytes, and integers. */
  readonly metadata: Readonly<Record<string, string | number>>;
  /** 0 means all hardware threads. */
  readonly threads: number;
}

export interface ScalingRequest {
  readonly steps: readonly ReadyStep[];
  /** Where the folded model may stand until it is quantized; it must not exist, and is the caller's to remove. */
  readonly foldedPath: string;
}

export interface QuantizeProgress {
  /** Called as scales are chosen and moved, with 0 to 1. */
  readonly onScaled: (fraction: number) => void;
  /** Called as each tensor is begun. */
  readonly onTensor: (name: string) => void;
  /** Gives up at once. */
  readonly signal?: AbortSignal;
}

/** Writes `request.target`; throws with a message for the operator. */
export type Quantizer = (request: QuantizeRequest, progress: QuantizeProgress) => Promise<void>;

/** What the quantizing process says. */
export const quantizerMessage = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('scaled'), fraction: z.number() }),
  z.object({ kind: z.literal('tensor'), name: z.string() }),
  z.object({ kind: z.literal('done') }),
  z.object({ kind: z.literal('failed'), message: z.string() }),
]);
export type QuantizerMessage = Readonly<z.infer<typeof quantizerMessage>>;
