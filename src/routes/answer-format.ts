// What a route brings so that its answers have its wire's form: whole bodies, and the events of streams.
// Why one interface for all wires: opening a stream, keeping pace with its reader, merging what waits, failing and logging
// are the same for each; they differ in spelling alone. A format is made for one request, so that it may remember.

import type { OctetErrorBody } from '../errors.ts';
import type { AnswerPiece, EndReason, PromptUsage, StopReason, Usage } from './generation-types.ts';
import type { CompletionEntry } from './logprobs-wire.ts';
import type { TokenNames } from './token-names.ts';

export interface AnswerFormat {
  /** The `logprobs` of a choice; formats that no request can ask for some are never asked. */
  logprobs(entries: readonly CompletionEntry[], topCount: number, names: TokenNames): object;
  /** The body of an answer that is not streamed. */
  whole(answer: WholeAnswer): object;
  /** Called once, where the answer is streamed. */
  createStream(): StreamWriter;
}

/** What a format may tell about the server. */
export interface AnswerFacts {
  /** The id that the request named, or the first one. */
  readonly model: string;
  readonly systemFingerprint: () => string;
  readonly requestId: string;
}

export interface WholeAnswer {
  readonly choices: readonly WholeChoice[];
  readonly usage: Usage;
}

/** How a choice ended. */
export interface ChoiceFinish {
  readonly reason: EndReason;
  readonly stopReason: StopReason;
}

export interface WholeChoice extends ChoiceFinish {
  /** All content, behind the prompt where that is repeated. */
  readonly text: string;
  /** The output in the order the model wrote it; neighbours differ in kind, unless both are calls. */
  readonly parts: readonly AnswerPart[];
  /** Written when asked for: it takes long, and no wire tells both these and those of the parts. */
  logprobs(): object | null;
  promptLogprobs(): readonly (object | null)[] | undefined;
}

export type AnswerPart =
  /** `logprobs`: of this text's tokens, written when asked for. */
  | { readonly kind: 'content'; readonly text: string; logprobs(): object | null }
  | { readonly kind: 'reasoning'; readonly text: string }
  | WholeCall;

export interface WholeCall {
  readonly kind: 'call';
  readonly id: string;
  readonly name: string;
  /** JSON text. */
  readonly arguments: string;
}

/** What a stream tells besides content. The text of a broken call that was started follows as content. */
export type StreamPiece = Exclude<AnswerPiece, { readonly kind: 'content' }>;

/**
 * Makes a stream's events, framed as they are sent. What it returns is sent in the order of the calls, so that it may count
 * and remember; an empty string sends nothing.
 */
export interface StreamWriter {
  /** Before anything else of a choice. */
  opening(index: number, prompt: PromptUsage): string;
  text(index: number, text: string): string;
  /** Text with the log-probabilities of its tokens; without text, those of tokens that are no content. */
  scored(index: number, text: string, logprobs: object): string;
  piece(index: number, piece: StreamPiece): string;
  /** After everything else of a choice. */
  finishing(index: number, finish: ChoiceFinish): string;
  /** The last events, after every choice's `finishing`. */
  ending(usage: Usage): string;
  /** The last events of a stream that fails after its head was sent; perhaps before any `opening`. */
  failing(error: OctetErrorBody): string;
  /** The reader left before the end; nothing is sent any more. */
  onGone?(): void;
  /** Keeps an idle stream's connection open; perhaps before any `opening`. */
  readonly ping: string;
}

/** A ping for wires that have none of their own: lines that begin with a colon are comments (WHATWG HTML, "Server-sent events"). */
export const pingComment = ': ping\n\n';
