// What a running request looks like from outside: where its text goes, how it is counted, how it is ended.

import type { OctetErrorBody } from '../errors.ts';
import type { CancelReason, Engine, FinishReason } from '../ports.ts';
import type { TokenLogprobs } from '../sampling-params.ts';
import type { HttpMetrics } from './metrics-port.ts';
import type { ScoredToken } from './score-queue.ts';
import type { TokenTexts } from './token-text.ts';

/** Why a choice ended, as clients are told. */
export type EndReason = FinishReason | 'tool_calls';

/** What ended a choice, where its reason is `stop` and it was no end-of-generation token: as vLLM tells it. */
export type StopReason = string | number | undefined;

/** What an answer has besides its text, in the order the model wrote it. */
export type AnswerPiece =
  | { readonly kind: 'content'; readonly text: string }
  | { readonly kind: 'reasoning'; readonly text: string }
  | { readonly kind: 'call-started'; readonly callIndex: number; readonly id: string; readonly name: string }
  | { readonly kind: 'call-arguments'; readonly callIndex: number; readonly text: string }
  | { readonly kind: 'call-finished'; readonly callIndex: number }
  /** The last call is none after all: `text` is all of it, and belongs to the content. */
  | { readonly kind: 'call-broken'; readonly text: string; readonly wasStarted: boolean };

/** What becomes of the text. Calls come in order; none after `onFail` or after `cancel`. */
export interface GenerationSink {
  /**
   * Text, and the log-probabilities of the tokens that begin in it where they were asked for; one of both is not empty.
   * Without text they are of tokens that are no content: of reasoning, of calls, of marks.
   */
  onText(index: number, text: string, scores: readonly ScoredToken[]): void;
  /** A piece of another kind, between texts. */
  onPiece(index: number, piece: Exclude<AnswerPiece, { readonly kind: 'content' }>): void;
  /** Log-probabilities of a prompt's second token and following, in order, each once. */
  onPromptScores(promptIndex: number, scores: readonly TokenLogprobs[]): void;
  /** A prompt left the queue: once each, before anything of its choices. */
  onStart(promptIndex: number, prompt: PromptUsage): void;
  onFinish(index: number, reason: EndReason, stopReason: StopReason): void;
  /** After the last choice's `onFinish`. */
  onEnd(usage: Usage): void;
  /** The request as a whole failed; its other choices are cancelled. */
  onFail(error: OctetErrorBody): void;
}

export interface PromptUsage {
  readonly promptTokenCount: number;
  /** Of them, those that the cache knew. */
  readonly cachedTokenCount: number;
}

export interface Usage extends PromptUsage {
  readonly generationTokenCount: number;
  /** Undefined where reasoning is not told apart. */
  readonly reasoningTokenCount: number | undefined;
}

export interface Generation {
  /** Ends every choice that has not ended; nothing is called any more. */
  cancel(reason: CancelReason): void;
}

export interface GenerationPorts {
  readonly engine: Engine;
  readonly texts: TokenTexts;
  readonly metrics: HttpMetrics;
  /** When the request was received, in performance.now() milliseconds. */
  readonly receivedMs: number;
}
