// Anthropic's answers: a message of content blocks, whole or as events.
// Source: Message and RawMessageStreamEvent of @anthropic-ai/sdk.

import { randomUUID } from 'node:crypto';
import { assertNever, must } from '../../assert.ts';
import { type Block, type BlockSpelling, createBlockWriter } from '../answer-blocks.ts';
import type {
  AnswerFacts,
  AnswerFormat,
  AnswerPart,
  ChoiceFinish,
  StreamWriter,
  WholeAnswer,
} from '../answer-format.ts';
import type { Usage } from '../generation-types.ts';
import { parseInnerJson } from '../json-body.ts';
import { messagesError } from './error-form.ts';
import { hiddenSignature, shownSignature } from './hidden-thinking.ts';
import type { OwnFields } from './mapping.ts';

export function messagesFormat(facts: AnswerFacts, own: OwnFields): AnswerFormat {
  return {
    // No request can ask for them.
    logprobs: () => ({}),
    whole: (answer) => wholeMessage(facts, own, answer),
    createStream: () => createEventWriter(facts, own),
  };
}

function wholeMessage(facts: AnswerFacts, own: OwnFields, { choices, usage }: WholeAnswer): object {
  const choice = must(choices[0], 'a message is one choice');
  return {
    ...newMessage(facts),
    content: choice.parts.map((part) => contentBlock(part, own)),
    ...stopOf(choice, usage, own),
    usage: { ...usageBody(usage), ...fixedUsage },
  };
}

/** A message before it has content. */
function newMessage({ model }: AnswerFacts): object {
  return {
    id: `msg_${randomUUID().replaceAll('-', '')}`,
    type: 'message',
    role: 'assistant',
    model,
    content: [],
    container: null,
    diagnostics: null,
    stop_reason: null,
    stop_sequence: null,
    stop_details: null,
  };
}

function contentBlock(part: AnswerPart, { hidesThinking }: OwnFields): object {
  switch (part.kind) {
    case 'content':
      return textBlock(part.text);
    case 'reasoning':
      return hidesThinking ? thinkingBlock('', hiddenSignature(part.text)) : thinkingBlock(part.text, shownSignature);
    case 'call':
      return callBlock(part, inputOf(part.arguments));
    default:
      return assertNever(part);
  }
}

const textBlock = (text: string): object => ({ type: 'text', text, citations: null });
const thinkingBlock = (thinking: string, signature: string): object => ({ type: 'thinking', thinking, signature });
const callBlock = ({ id, name }: { readonly id: string; readonly name: string }, input: unknown): object => ({
  type: 'tool_use',
  id,
  name,
  input,
  caller: { type: 'direct' },
});

/** Arguments that are no JSON are given as they are, not dropped. */
function inputOf(text: string): unknown {
  return text.trim() === '' ? {} : (parseInnerJson(text) ?? text);
}

interface Stop {
  readonly stop_reason: 'end_turn' | 'max_tokens' | 'stop_sequence' | 'tool_use' | 'model_context_window_exceeded';
  readonly stop_sequence: string | null;
}

function stopOf({ reason, stopReason }: ChoiceFinish, { generationTokenCount }: Usage, own: OwnFields): Stop {
  switch (reason) {
    case 'tool_calls':
      return { stop_reason: 'tool_use', stop_sequence: null };
    case 'length': {
      const isContextFull = generationTokenCount < own.maxTokens;
      return { stop_reason: isContextFull ? 'model_context_window_exceeded' : 'max_tokens', stop_sequence: null };
    }
    case 'stop':
      return typeof stopReason === 'string' && own.stopSequences.includes(stopReason)
        ? { stop_reason: 'stop_sequence', stop_sequence: stopReason }
        : { stop_reason: 'end_turn', stop_sequence: null };
    default:
      return assertNever(reason);
  }
}

/** What a message's usage has besides counts. */
const fixedUsage = { cache_creation: null, service_tier: 'standard', inference_geo: null, speed: null };

/** What the cache knew is not counted among the input tokens; nothing is written to it by order. */
function usageBody({ promptTokenCount, cachedTokenCount, generationTokenCount, reasoningTokenCount }: Usage): object {
  return {
    input_tokens: promptTokenCount - cachedTokenCount,
    cache_creation_input_tokens: 0,
    cache_read_input_tokens: cachedTokenCount,
    output_tokens: generationTokenCount,
    output_tokens_details: reasoningTokenCount === undefined ? null : { thinking_tokens: reasoningTokenCount },
    server_tool_use: null,
  };
}

function createEventWriter(facts: AnswerFacts, own: OwnFields): StreamWriter {
  const blocks = createBlockWriter(blockEvents(own));
  let finish: ChoiceFinish = { reason: 'stop', stopReason: undefined };
  return {
    opening: (_, prompt) => {
      const usage = usageBody({ ...prompt, generationTokenCount: 0, reasoningTokenCount: undefined });
      return event('message_start', { message: { ...newMessage(facts), usage: { ...usage, ...fixedUsage } } });
    },
    text: (_, text) => blocks.text(text),
    scored: (_, text) => blocks.text(text),
    piece: (_, piece) => blocks.piece(piece),
    finishing: (_, given) => {
      finish = given;
      return blocks.end();
    },
    ending: (usage) => {
      const delta = { container: null, stop_details: null, ...stopOf(finish, usage, own) };
      return event('message_delta', { delta, usage: usageBody(usage) }) + event('message_stop', {});
    },
    failing: (error) => event('error', messagesError(error, facts.requestId)),
    ping: event('ping', {}),
  };
}

function event(type: string, fields: object): string {
  return `event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`;
}

const deltaNames = {
  content: ['text_delta', 'text'],
  reasoning: ['thinking_delta', 'thinking'],
  call: ['input_json_delta', 'partial_json'],
} as const;

/** A block's deltas, up to their text. */
function deltaStart({ place, head }: Block): string {
  const [type, field] = deltaNames[head.kind];
  return `event: content_block_delta\ndata: {"type":"content_block_delta","index":${place},"delta":{"type":"${type}","${field}":`;
}

/** Of thousands of deltas only the text changes, so that what stands before it is made once for each block. */
function blockEvents({ hidesThinking }: OwnFields): BlockSpelling {
  let start = '';
  const signature = ({ place, head, text }: Block): string => {
    if (head.kind !== 'reasoning') return '';
    const delta = { type: 'signature_delta', signature: hidesThinking ? hiddenSignature(text) : shownSignature };
    return event('content_block_delta', { index: place, delta });
  };
  return {
    opened: (block) => {
      start = deltaStart(block);
      return event('content_block_start', { index: block.place, content_block: emptyBlock(block.head) });
    },
    grown: ({ head }, added) =>
      hidesThinking && head.kind === 'reasoning' ? '' : `${start}${JSON.stringify(added)}}}\n\n`,
    // A call that broke stays as far as it was told; its text follows, and the message does not end with `tool_use`.
    closed: (block) => signature(block) + event('content_block_stop', { index: block.place }),
  };
}

function emptyBlock(head: Block['head']): object {
  if (head.kind === 'content') return textBlock('');
  return head.kind === 'reasoning' ? thinkingBlock('', '') : callBlock(head, {});
}
