// OpenAI's answers: the whole bodies and the pieces of streams, for chat and for text completions.
// Why chunks are cut into constant parts: of each chunk only the text changes, and thousands of streams get one per
// step; so the rest is made to JSON once per choice.
// Source: OpenAI's CreateChatCompletionResponse, CreateChatCompletionStreamResponse, CreateCompletionResponse.

import { randomUUID } from 'node:crypto';
import type { AnswerPiece, EndReason, StopReason, Usage } from './generation-types.ts';
import { type CompletionEntry, chatLogprobs, completionLogprobs } from './logprobs-wire.ts';
import type { TokenNames } from './token-names.ts';

export interface AnswerHead {
  readonly id: string;
  /** Unix time in seconds. */
  readonly created: number;
  readonly model: string;
  readonly systemFingerprint: string;
  /** Only where the request named one. */
  readonly serviceTier: 'default' | undefined;
}

/** How a choice ended. */
export interface ChoiceFinish {
  readonly reason: EndReason;
  readonly stopReason: StopReason;
}

export interface WholeChoice extends ChoiceFinish {
  readonly text: string;
  /** Empty where there is none. */
  readonly reasoning: string;
  readonly calls: readonly WholeCall[];
  readonly logprobs: object | null;
  readonly promptLogprobs: readonly (object | null)[] | undefined;
}

export interface WholeCall {
  readonly id: string;
  readonly name: string;
  /** JSON text. */
  readonly arguments: string;
}

/** What a stream's chunk may tell besides text. */
export type PieceDelta = Extract<AnswerPiece, { readonly kind: 'reasoning' | 'call-started' | 'call-arguments' }>;

/** One endpoint's spelling. */
export interface AnswerFormat {
  readonly idPrefix: string;
  readonly object: string;
  readonly chunkObject: string;
  wholeChoice(index: number, choice: WholeChoice): object;
  /** The choice of a stream's first chunk, or undefined when the endpoint sends none. */
  openingChoice(index: number): object | undefined;
  /** JSON of a text chunk's choice, before and after the text. */
  textChoiceParts(index: number): readonly [before: string, after: string];
  /** The choice of a text chunk that has log-probabilities. */
  scoredChoice(index: number, text: string, logprobs: object): object;
  /** The choice of a chunk that tells something besides text; endpoints without such answers are never asked. */
  pieceChoice(index: number, piece: PieceDelta): object;
  finishingChoice(index: number, finish: ChoiceFinish): object;
  /** The `logprobs` of a choice; every entry of a chat has some. */
  logprobs(entries: readonly CompletionEntry[], topCount: number, names: TokenNames): object;
  /** Where the prompt's log-probabilities stand. */
  readonly promptLogprobsIn: 'answer' | 'choice';
}

/** vLLM's field, where there is something to tell. */
function stopReasonField({ stopReason }: ChoiceFinish): object {
  return stopReason === undefined ? {} : { stop_reason: stopReason };
}

export const chatFormat: AnswerFormat = {
  idPrefix: 'chatcmpl-',
  object: 'chat.completion',
  chunkObject: 'chat.completion.chunk',
  wholeChoice: (index, choice) => ({
    index,
    message: chatMessage(choice),
    logprobs: choice.logprobs,
    finish_reason: choice.reason,
    ...stopReasonField(choice),
  }),
  openingChoice: (index) => ({
    index,
    delta: { role: 'assistant', content: '', refusal: null },
    logprobs: null,
    finish_reason: null,
  }),
  textChoiceParts: (index) => [`{"index":${index},"delta":{"content":`, '},"logprobs":null,"finish_reason":null}'],
  pieceChoice: (index, piece) => ({ index, delta: pieceDelta(piece), logprobs: null, finish_reason: null }),
  scoredChoice: (index, content, logprobs) => ({ index, delta: { content }, logprobs, finish_reason: null }),
  finishingChoice: (index, finish) => ({
    index,
    delta: {},
    logprobs: null,
    finish_reason: finish.reason,
    ...stopReasonField(finish),
  }),
  logprobs: (entries, _topCount, names) => chatLogprobs(entries, names),
  promptLogprobsIn: 'answer',
};

function chatMessage({ text, reasoning, calls }: WholeChoice): object {
  return {
    role: 'assistant',
    content: text === '' && calls.length > 0 ? null : text,
    refusal: null,
    ...(reasoning === '' ? {} : { reasoning_content: reasoning }),
    ...(calls.length === 0 ? {} : { tool_calls: calls.map(wireCall) }),
  };
}

function wireCall({ id, name, arguments: text }: WholeCall): object {
  return { id, type: 'function', function: { name, arguments: text } };
}

function pieceDelta(piece: PieceDelta): object {
  if (piece.kind === 'reasoning') return { reasoning_content: piece.text };
  const call =
    piece.kind === 'call-started'
      ? wireCall({ id: piece.id, name: piece.name, arguments: '' })
      : { function: { arguments: piece.text } };
  return { tool_calls: [{ index: piece.callIndex, ...call }] };
}

export const completionFormat: AnswerFormat = {
  idPrefix: 'cmpl-',
  object: 'text_completion',
  chunkObject: 'text_completion',
  wholeChoice: (index, choice) => ({
    text: choice.text,
    index,
    logprobs: choice.logprobs,
    finish_reason: choice.reason,
    ...stopReasonField(choice),
    ...(choice.promptLogprobs === undefined ? {} : { prompt_logprobs: choice.promptLogprobs }),
  }),
  openingChoice: () => undefined,
  textChoiceParts: (index) => ['{"text":', `,"index":${index},"logprobs":null,"finish_reason":null}`],
  pieceChoice: (index) => ({ text: '', index, logprobs: null, finish_reason: null }),
  scoredChoice: (index, text, logprobs) => ({ text, index, logprobs, finish_reason: null }),
  finishingChoice: (index, finish) => ({
    text: '',
    index,
    logprobs: null,
    finish_reason: finish.reason,
    ...stopReasonField(finish),
  }),
  logprobs: completionLogprobs,
  promptLogprobsIn: 'choice',
};

export interface HeadFacts {
  readonly model: string;
  readonly systemFingerprint: string;
  readonly tierAsked: string | undefined;
}

/** A new answer's id and time. */
export function answerHead(format: AnswerFormat, { model, systemFingerprint, tierAsked }: HeadFacts): AnswerHead {
  return {
    id: format.idPrefix + randomUUID().replaceAll('-', ''),
    created: Math.floor(Date.now() / 1000),
    model,
    systemFingerprint,
    serviceTier: tierAsked === undefined ? undefined : 'default',
  };
}

/** The fields at the end of bodies and chunks alike. */
function tailOf({ systemFingerprint, serviceTier }: AnswerHead): object {
  return {
    system_fingerprint: systemFingerprint,
    ...(serviceTier === undefined ? {} : { service_tier: serviceTier }),
  };
}

/** The body of an answer that is not streamed. */
export function wholeAnswer(
  format: AnswerFormat,
  head: AnswerHead,
  answer: { readonly choices: readonly WholeChoice[]; readonly usage: Usage },
): object {
  const promptLogprobs = answer.choices[0]?.promptLogprobs;
  return {
    id: head.id,
    object: format.object,
    created: head.created,
    model: head.model,
    choices: answer.choices.map((choice, index) => format.wholeChoice(index, choice)),
    usage: usageBody(answer.usage),
    ...tailOf(head),
    ...(format.promptLogprobsIn === 'answer' && promptLogprobs !== undefined
      ? { prompt_logprobs: promptLogprobs }
      : {}),
  };
}

/** OpenAI's usage object. */
export function usageBody(usage: Usage): object {
  return {
    prompt_tokens: usage.promptTokenCount,
    completion_tokens: usage.generationTokenCount,
    total_tokens: usage.promptTokenCount + usage.generationTokenCount,
    prompt_tokens_details: { cached_tokens: usage.cachedTokenCount },
    ...(usage.reasoningTokenCount === undefined
      ? {}
      : { completion_tokens_details: { reasoning_tokens: usage.reasoningTokenCount } }),
  };
}

/** Makes a stream's events, framed: `data: ...\n\n`. */
export interface ChunkWriter {
  opening(index: number): string;
  text(index: number, text: string): string;
  piece(index: number, piece: PieceDelta): string;
  /** Text with the log-probabilities of its tokens. */
  scored(index: number, text: string, logprobs: object): string;
  finishing(index: number, finish: ChoiceFinish): string;
  /** The last events: usage where asked for, then the end mark. */
  ending(usage: Usage): string;
}

export interface ChunkOptions {
  /** Every chunk then carries `usage`: null, but for an extra last one without choices. */
  readonly includeUsage: boolean;
}

export function createChunkWriter(format: AnswerFormat, head: AnswerHead, options: ChunkOptions): ChunkWriter {
  const start = JSON.stringify({
    id: head.id,
    object: format.chunkObject,
    created: head.created,
    model: head.model,
    ...tailOf(head),
  }).slice(0, -1);
  const before = `data: ${start},"choices":[`;
  const after = options.includeUsage ? '],"usage":null}\n\n' : ']}\n\n';
  const textParts: (readonly [string, string])[] = [];
  const chunk = (choice: object | undefined): string =>
    choice === undefined ? '' : before + JSON.stringify(choice) + after;

  function partsOf(index: number): readonly [string, string] {
    const [left, right] = format.textChoiceParts(index);
    const parts = [before + left, right + after] as const;
    textParts[index] = parts;
    return parts;
  }

  return {
    opening: (index) => chunk(format.openingChoice(index)),
    text: (index, text) => {
      const [left, right] = textParts[index] ?? partsOf(index);
      return left + JSON.stringify(text) + right;
    },
    piece: (index, piece) => chunk(format.pieceChoice(index, piece)),
    scored: (index, text, logprobs) => chunk(format.scoredChoice(index, text, logprobs)),
    finishing: (index, finish) => chunk(format.finishingChoice(index, finish)),
    ending: (usage) => {
      const last = options.includeUsage ? `${before}],"usage":${JSON.stringify(usageBody(usage))}}\n\n` : '';
      return `${last}data: [DONE]\n\n`;
    },
  };
}

/** The event that ends a stream that failed. */
export function errorEvent(body: object): string {
  return `data: ${JSON.stringify(body)}\n\n`;
}
