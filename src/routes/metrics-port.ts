// What the HTTP side tells about each request, for whoever counts it.
// Why a port: routes know when things happen, the server's metrics know names and buckets; neither imports the other.

import type { ErrorCode } from '../errors.ts';
import type { CancelReason, FinishReason, SequenceTimings } from '../ports.ts';

/** A prompt the engine accepted, with all its choices; a list of prompts makes several. */
export interface AcceptedRequest {
  readonly promptTokenCount: number;
  /** Most output tokens of one choice. */
  readonly outputTokensMax: number;
  /** What the client asked for; undefined when it left the limit to the server. */
  readonly requestedTokensMax: number | undefined;
  readonly choiceCount: number;
}

/** A choice that ended by itself. */
export interface FinishedChoice {
  readonly reason: FinishReason;
  /** Ended early because its output repeated itself. */
  readonly repeatedItself: boolean;
  /** Undefined when a stop string ended it: the engine was told, it did not tell. */
  readonly timings: SequenceTimings | undefined;
  readonly promptTokenCount: number;
  readonly cachedTokenCount: number;
  readonly generationTokenCount: number;
  readonly reasoningTokenCount: number;
  /** From receiving the request to the choice's end. */
  readonly endToEndSeconds: number;
}

/** An HTTP exchange that is over, one way or another. */
export interface FinishedResponse {
  /** The route's pattern, never the URL: the number of label values must stay bounded. */
  readonly route: string;
  readonly method: string;
  readonly status: number;
  readonly seconds: number;
}

export const embeddingEndpoints = ['embeddings', 'rerank', 'score'] as const;
export type EmbeddingEndpoint = (typeof embeddingEndpoints)[number];

/** A request for vectors, or for ranks, that was answered. */
export interface EmbeddedRequest {
  readonly endpoint: EmbeddingEndpoint;
  readonly inputCount: number;
  readonly tokenCount: number;
  /** From receiving the request to its vectors. */
  readonly seconds: number;
}

export interface HttpMetrics {
  onAccepted(request: AcceptedRequest): void;
  /** Seconds from receiving the request to a choice's first token. */
  onFirstToken(seconds: number): void;
  /** Seconds between two tokens of one choice. Called for each token: must be cheap. */
  onInterToken(seconds: number): void;
  onFinished(choice: FinishedChoice): void;
  /** A request was answered with an error, or its stream ended with one. */
  onRejected(code: ErrorCode): void;
  /** A choice was cancelled before its end. */
  onCancelled(reason: CancelReason): void;
  /** A tool call was read, or what looked like one was given back as content. */
  onToolCall(outcome: 'parsed' | 'broken'): void;
  /** Reasoning was ended because its budget was spent. */
  onReasoningCut(): void;
  onEmbedded(request: EmbeddedRequest): void;
  onResponse(response: FinishedResponse): void;
}
