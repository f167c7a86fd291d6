// OpenAI's answers: the whole bodies and the pieces of streams, for chat and for text completions.
// Why chunks are cut into constant parts: of each chunk only the text changes, and thousands of streams get one per
// step; so the rest is made to JSON once per choice, for content and for reasoning.
// Source: OpenAI's CreateChatCompletionResponse, CreateChatCompletionStreamResponse, CreateCompletionResponse.

import { randomUUID } from 'node:crypto';
import { toWire } from '../errors.ts';
import {
  type AnswerFacts,
  type AnswerFormat,
  type AnswerPart,
  type ChoiceFinish,
  pingComment,
  type StreamPiece,
  type StreamWriter,
  type WholeAnswer,
  type WholeCall,
  type WholeChoice,
} from './answer-format.ts';
import type { Usage } from './generation-types.ts';
import { chatLogprobs, completionLogprobs } from './logprobs-wire.ts';
import type { SharedFields } from './request-fields.ts';

interface AnswerHead {
  readonly id: string;
  /** Unix time in seconds. */
  readonly created: number;
  readonly model: string;
  readonly systemFingerprint: string;
  /** OpenAI names the tier that served a request where one was asked for. */
  readonly serviceTier: 'default' | undefined;
}

/** What a chunk's text may be. */
type TextKind = 'content' | 'reasoning';

/** What a chunk of these two endpoints may tell besides text. */
type PieceDelta = Extract<StreamPiece, { readonly kind: 'call-started' | 'call-arguments' }>;

/** One endpoint's spelling. */
export interface OpenAiSpelling {
  readonly idPrefix: string;
  readonly object: string;
  readonly chunkObject: string;
  wholeChoice(index: number, choice: WholeChoice): object;
  /** The choice of a stream's first chunk, or undefined when the endpoint sends none. */
  openingChoice(index: number): object | undefined;
  /** JSON of a text chunk's choice, before and after the text; endpoints without reasoning are never asked for its. */
  textChoiceParts(index: number, kind: TextKind): readonly [before: string, after: string];
  /** The choice of a text chunk that has log-probabilities. */
  scoredChoice(index: number, text: string, logprobs: object): object;
  /** The choice of a chunk that tells something besides text; endpoints without such answers are never asked. */
  pieceChoice(index: number, piece: PieceDelta): object;
  finishingChoice(index: number, finish: ChoiceFinish): object;
  /** The `logprobs` of a choice; every entry of a chat has some. */
  readonly logprobs: AnswerFormat['logprobs'];
  /** Where the prompt's log-probabilities stand. */
  readonly promptLogprobsIn: 'answer' | 'choice';
}

/** vLLM's field, where there is something to tell. */
function stopReasonField({ stopReason }: ChoiceFinish): object {
  return stopReason === undefined ? {} : { stop_reason: stopReason };
}

function promptLogprobsField(choice: WholeChoice | undefined): object {
  const list = choice?.promptLogprobs();
  return list === undefined ? {} : { prompt_logprobs: list };
}

export const chatSpelling: OpenAiSpelling = {
  idPrefix: 'chatcmpl-',
  object: 'chat.completion',
  chunkObject: 'chat.completion.chunk',
  wholeChoice: (index, choice) => ({
    index,
    message: chatMessage(choice),
    logprobs: choice.logprobs(),
    finish_reason: choice.reason,
    ...stopReasonField(choice),
  }),
  openingChoice: (index) => ({
    index,
    delta: { role: 'assistant', content: '', refusal: null },
    logprobs: null,
    finish_reason: null,
  }),
  textChoiceParts: (index, kind) => [
    `{"index":${index},"delta":{"${kind === 'content' ? 'content' : 'reasoning_content'}":`,
    '},"logprobs":null,"finish_reason":null}',
  ],
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

function chatMessage({ text, parts }: WholeChoice): object {
  const calls = parts.filter((part) => part.kind === 'call');
  const reasoning = reasoningOf(parts);
  return {
    role: 'assistant',
    content: text === '' && calls.length > 0 ? null : text,
    refusal: null,
    ...(reasoning === '' ? {} : { reasoning_content: reasoning }),
    ...(calls.length === 0 ? {} : { tool_calls: calls.map(wireCall) }),
  };
}

function reasoningOf(parts: readonly AnswerPart[]): string {
  return parts.map((part) => (part.kind === 'reasoning' ? part.text : '')).join('');
}

function wireCall({ id, name, arguments: text }: Omit<WholeCall, 'kind'>): object {
  return { id, type: 'function', function: { name, arguments: text } };
}

function pieceDelta(piece: PieceDelta): object {
  const call =
    piece.kind === 'call-started'
      ? wireCall({ id: piece.id, name: piece.name, arguments: '' })
      : { function: { arguments: piece.text } };
  return { tool_calls: [{ index: piece.callIndex, ...call }] };
}

export const completionSpelling: OpenAiSpelling = {
  idPrefix: 'cmpl-',
  object: 'text_completion',
  chunkObject: 'text_completion',
  wholeChoice: (index, choice) => ({
    text: choice.text,
    index,
    logprobs: choice.logprobs(),
    finish_reason: choice.reason,
    ...stopReasonField(choice),
    ...promptLogprobsField(choice),
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

/** What a request says about the spelling of its answer. */
type SpellingFields = Pick<SharedFields, 'service_tier' | 'stream_options'>;

/** OpenAI's answers to one request, of either endpoint. */
export function openAiFormat(spelling: OpenAiSpelling, facts: AnswerFacts, fields: SpellingFields): AnswerFormat {
  const includeUsage = fields.stream_options?.include_usage ?? false;
  const newHead = (): AnswerHead => ({
    id: spelling.idPrefix + randomUUID().replaceAll('-', ''),
    created: Math.floor(Date.now() / 1000),
    model: facts.model,
    systemFingerprint: facts.systemFingerprint(),
    serviceTier: fields.service_tier ? 'default' : undefined,
  });
  return {
    logprobs: spelling.logprobs,
    whole: (answer) => wholeBody(spelling, newHead(), answer),
    createStream: () => createChunkWriter(spelling, newHead(), includeUsage),
  };
}

/** The fields at the end of bodies and chunks alike. */
function tailOf({ systemFingerprint, serviceTier }: AnswerHead): object {
  return {
    system_fingerprint: systemFingerprint,
    ...(serviceTier === undefined ? {} : { service_tier: serviceTier }),
  };
}

function wholeBody(spelling: OpenAiSpelling, head: AnswerHead, answer: WholeAnswer): object {
  return {
    id: head.id,
    object: spelling.object,
    created: head.created,
    model: head.model,
    choices: answer.choices.map((choice, index) => spelling.wholeChoice(index, choice)),
    usage: usageBody(answer.usage),
    ...tailOf(head),
    ...(spelling.promptLogprobsIn === 'answer' ? promptLogprobsField(answer.choices[0]) : {}),
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

/** `includeUsage`: every chunk carries `usage`, null but for an extra last one without choices. */
function createChunkWriter(spelling: OpenAiSpelling, head: AnswerHead, includeUsage: boolean): StreamWriter {
  const start = JSON.stringify({
    id: head.id,
    object: spelling.chunkObject,
    created: head.created,
    model: head.model,
    ...tailOf(head),
  }).slice(0, -1);
  const before = `data: ${start},"choices":[`;
  const after = includeUsage ? '],"usage":null}\n\n' : ']}\n\n';
  const textParts: Record<TextKind, (readonly [string, string])[]> = { content: [], reasoning: [] };
  const chunk = (choice: object | undefined): string =>
    choice === undefined ? '' : before + JSON.stringify(choice) + after;

  function partsOf(index: number, kind: TextKind): readonly [string, string] {
    const [left, right] = spelling.textChoiceParts(index, kind);
    const parts = [before + left, right + after] as const;
    textParts[kind][index] = parts;
    return parts;
  }

  function textChunk(index: number, kind: TextKind, text: string): string {
    const [left, right] = textParts[kind][index] ?? partsOf(index, kind);
    return left + JSON.stringify(text) + right;
  }

  return {
    opening: (index) => chunk(spelling.openingChoice(index)),
    text: (index, text) => textChunk(index, 'content', text),
    piece: (index, piece) => {
      if (piece.kind === 'reasoning') return textChunk(index, 'reasoning', piece.text);
      // What ends or breaks a call is told by what follows.
      const isTold = piece.kind !== 'call-finished' && piece.kind !== 'call-broken';
      return isTold ? chunk(spelling.pieceChoice(index, piece)) : '';
    },
    scored: (index, text, logprobs) => chunk(spelling.scoredChoice(index, text, logprobs)),
    finishing: (index, finish) => chunk(spelling.finishingChoice(index, finish)),
    ending: (usage) => {
      const last = includeUsage ? `${before}],"usage":${JSON.stringify(usageBody(usage))}}\n\n` : '';
      return `${last}data: [DONE]\n\n`;
    },
    // The end without `[DONE]`: OpenAI's clients turn such an event into an exception.
    failing: (error) => `data: ${JSON.stringify(toWire(error))}\n\n`,
    ping: pingComment,
  };
}
