// What is told to whoever quantizes: plain data, so that it may be another process.

import { z } from 'zod';
import type { TensorTypeName } from '../llama/tensor-types.ts';

export interface QuantizeRequest {
  /** An existing GGUF file; of a split model, its first part. */
  readonly source: string;
  /** Where to write; it must not exist. */
  readonly target: string;
  /** The format of every tensor, by name. */
  readonly types: readonly (readonly [name: string, type: TensorTypeName])[];
  readonly allowRequantize: boolean;
  /** Path of an importance matrix. */
  readonly importancePath: string | undefined;
  /** Metadata to set: texts of at most 127 bytes, and integers. */
  readonly metadata: Readonly<Record<string, string | number>>;
  /** 0 means all hardware threads. */
  readonly threads: number;
}

export interface QuantizeProgress {
  /** Called as each tensor is begun. */
  readonly onTensor: (name: string) => void;
  /** Gives up at once. */
  readonly signal?: AbortSignal;
}

/** Writes `request.target`; throws with a message for the operator. */
export type Quantizer = (request: QuantizeRequest, progress: QuantizeProgress) => Promise<void>;

/** What the quantizing process says. */
export const quantizerMessage = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('tensor'), name: z.string() }),
  z.object({ kind: z.literal('done') }),
  z.object({ kind: z.literal('failed'), message: z.string() }),
]);
export type QuantizerMessage = Readonly<z.infer<typeof quantizerMessage>>;
