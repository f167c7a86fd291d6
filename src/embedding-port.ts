// Vectors of texts: what is asked of the engine, what it answers, and what it asks of the native side.
// Why apart from ports.ts: an input is read once and nothing is generated, so nothing of a sequence's life applies to it.

import type { OctetErrorBody } from './errors.ts';
import type { TimeLimit } from './time-limit.ts';

/** How the vectors of an input's tokens become its one; `rank` sends it through the model's ranking head instead. */
export const poolings = ['none', 'mean', 'cls', 'last', 'rank'] as const;
export type Pooling = (typeof poolings)[number];

/** What the loaded model makes of texts. */
export type EmbeddingSupport = EmbeddingCapacity | { readonly kind: 'off'; readonly reason: string };

export interface EmbeddingCapacity {
  readonly kind: 'on';
  readonly pooling: Pooling;
  /** Where the pooling comes from, in words: `the file`. */
  readonly poolingReason: string;
  /** Values of one vector; with `rank`, outputs of the head. */
  readonly dimensionCount: number;
  /** Longest input in tokens. */
  readonly inputTokensMax: number;
  /** What the outputs of a ranking head are called; empty where the file does not tell. */
  readonly labels: readonly string[];
  /** Whether the head's outputs are probabilities already. */
  readonly ranksInProbabilities: boolean;
}

// ---------------------------------------------------------------------------------------------- server -> engine

/** One text of a request, by its place in it. */
export interface EmbedInput {
  readonly index: number;
  /** Shape (length,), at least one token. */
  readonly tokens: Int32Array;
}

/** Asks for one `embedded` vector for each input, or one `embedding-failed` with the same id. */
export interface EmbedCommand {
  readonly kind: 'embed';
  readonly id: number;
  readonly inputs: readonly EmbedInput[];
}

/** Nobody reads the rest any more. */
export interface CancelEmbeddingCommand {
  readonly kind: 'cancel-embedding';
  readonly id: number;
}

export type EmbeddingCommand = EmbedCommand | CancelEmbeddingCommand;

// ---------------------------------------------------------------------------------------------- engine -> server

export interface EmbeddedInput {
  readonly index: number;
  /** Shape (dimensionCount,); with pooling `none` (tokens, dimensionCount). As the model made it: not normalised. */
  readonly vector: Float32Array;
}

export type EmbeddingMessage =
  /** Some of a request's inputs, in no order. */
  | { readonly kind: 'embedded'; readonly id: number; readonly results: readonly EmbeddedInput[] }
  | { readonly kind: 'embedding-failed'; readonly id: number; readonly error: OctetErrorBody };

// ---------------------------------------------------------------------------------------------- as HTTP sees it

export interface EmbedRequest {
  /** In the order of the answer's vectors. */
  readonly inputs: readonly Int32Array[];
  /** Beyond it the request fails with `deadline_exceeded`. */
  readonly timeLimit: TimeLimit;
  /** Aborted when nobody waits for the answer any more. */
  readonly signal: AbortSignal;
}

export type EmbedAnswer =
  /** One vector for each input, in order. */
  | { readonly kind: 'embedded'; readonly vectors: readonly Float32Array[] }
  | { readonly kind: 'failed'; readonly error: OctetErrorBody }
  /** The signal was aborted. */
  | { readonly kind: 'cancelled' };

// ---------------------------------------------------------------------------------------------- engine -> native side

/** Positions [from, to) of an input, computed in one pass; `to` is its end in its last pass. */
export interface PassPart {
  /** Names the input while it is computed: below `inputsMax`. */
  readonly lane: number;
  readonly tokens: Int32Array;
  readonly from: number;
  readonly to: number;
}

export interface EmbedderLimits {
  /** Tokens of all parts of a pass together. More would abort the process. */
  readonly passTokensMax: number;
  /** Parts of one pass. */
  readonly inputsMax: number;
  readonly inputTokensMax: number;
  /** Tokens that may be held at once: those of the input under way and the pass's own. */
  readonly cellCount: number;
  /** Whether an input may be spread over several passes: not where each token sees those behind it. */
  readonly splitsInputs: boolean;
}

export type PassOutcome =
  /** For each part the vector of its input, or undefined where it is not at its end. */
  | { readonly kind: 'done'; readonly vectors: readonly (Float32Array | undefined)[] }
  | { readonly kind: 'failed'; readonly reason: string };

/** The native side. One pass at a time, and never while another native context computes: they share their threads. */
export interface Embedder {
  readonly limits: EmbedderLimits;
  /** Computes off the JavaScript thread. At most one part may continue an input; every other input of earlier passes is forgotten. */
  compute(parts: readonly PassPart[]): Promise<PassOutcome>;
  dispose(): void;
}
