// A conversation as prompt tokens: the template's control tokens are parsed, the messages' are not.
// Why two ways: rendering and tokenizing the whole text parses every control token, also "<|im_end|>" typed by a user. So
// when the conversation or a tool holds such a text (rare), its first character is replaced by a private-use character while the template
// renders; the control tokens found in the rendered text are then the template's own, and the text between them is
// tokenized as plain text with the characters put back. Both ways cut at the same places, so ordinary text is unaffected.

import { OctetError, octetError } from '../errors.ts';
import type { ChatEncoder, ChatMessage, ChatOptions, ChatTemplate, Tokenizer } from '../text-ports.ts';
import { createChatTemplate } from './chat-template.ts';
import { type ControlTokens, readControlTokens } from './control-tokens.ts';
import type { LlamaModel } from './model.ts';

export interface ChatEncoderParts {
  readonly template: ChatTemplate;
  readonly tokenizer: Tokenizer;
  readonly controlTokens: ControlTokens;
}

/** Prompts longer than this are tokenized off the JavaScript thread. */
const asyncLengthMin = 65_536;
const privateUseStart = 0xe000;
const privateUseEnd = 0xf8ff;

/** The encoder for a model's own template and vocabulary. */
export function createChatEncoder(model: LlamaModel, tokenizer: Tokenizer): ChatEncoder {
  return assembleChatEncoder({
    template: createChatTemplate(model),
    tokenizer,
    controlTokens: readControlTokens(model),
  });
}

export function assembleChatEncoder(parts: ChatEncoderParts): ChatEncoder {
  const { template, tokenizer, controlTokens } = parts;
  return {
    showsTools: template.showsTools,
    encodeChat(messages, options = {}) {
      if (textsIn([messages, options]).some((text) => controlTokens.dangers(text).length > 0))
        return encodeGuarded(parts, messages, options);
      const text = renderUpTo(template, messages, options);
      const tokenizing = { special: true, bos: true };
      return text.length >= asyncLengthMin
        ? tokenizer.tokenizeAsync(text, tokenizing)
        : tokenizer.tokenize(text, tokenizing);
    },
  };
}

/** The prompt up to where it is to stop. A last message that is to go on must be in the text as it was given. */
function renderUpTo(
  template: ChatTemplate,
  messages: readonly ChatMessage[],
  { ending = 'for-answer', ...options }: ChatOptions,
): string {
  const text = template.render(messages, { ...options, addGenerationPrompt: ending === 'for-answer' });
  if (ending !== 'within-last') return text;
  const content = messages.at(-1)?.content ?? '';
  // Some templates trim what they print.
  for (const printed of [content, content.trim()]) {
    const start = printed === '' ? -1 : text.lastIndexOf(printed);
    if (start >= 0) return text.slice(0, start + printed.length);
  }
  const why = "the model's chat template does not print the last message as it is, so that it cannot be continued";
  throw new OctetError(octetError('chat_template_failed', why, 'messages'));
}

async function encodeGuarded(
  parts: ChatEncoderParts,
  messages: readonly ChatMessage[],
  options: ChatOptions,
): Promise<Int32Array> {
  const { template, tokenizer, controlTokens } = parts;
  const guard = createGuard(textsIn([messages, options]), controlTokens);
  const hidden = {
    tools: options.tools?.map((tool) => mapTexts(tool, guard.hide)),
    variables: options.variables === undefined ? undefined : mapEntries(options.variables, guard.hide),
    ending: options.ending,
  };
  const hiddenMessages = messages.map((message) => hideMessage(message, guard.hide));
  const rendered = renderUpTo(template, hiddenMessages, hidden);
  const pieces: Int32Array[] = [];
  for (const part of controlTokens.split(rendered)) {
    if (typeof part === 'object') pieces.push(Int32Array.of(part.id));
    else pieces.push(await tokenizer.tokenizeAsync(guard.show(part), { special: false, bos: false }));
  }
  const tokens = concatenate(pieces);
  // What the model wants in front, unless the template wrote it.
  const beginning = tokenizer.tokenize('', { special: false, bos: true });
  return beginning.length === 0 || tokens[0] === beginning[0] ? tokens : concatenate([beginning, tokens]);
}

interface Guard {
  hide(text: string): string;
  show(text: string): string;
}

/** Stands private-use characters that none of the texts contains for the first characters of dangerous ones. */
function createGuard(texts: readonly string[], controlTokens: ControlTokens): Guard {
  const used = new Set(texts.flatMap((text) => [...text.matchAll(/[\ue000-\uf8ff]/g)].map(([c]) => c)));
  const standIns = new Map<string, string>();
  const originals = new Map<string, string>();
  let next = privateUseStart;

  function standInFor(character: string): string {
    const known = standIns.get(character);
    if (known !== undefined) return known;
    while (next <= privateUseEnd && used.has(String.fromCharCode(next))) next += 1;
    // 6,400 characters all in use, beside a control token: nothing a reader would miss.
    const standIn = next <= privateUseEnd ? String.fromCharCode(next++) : '\ufffd';
    standIns.set(character, standIn);
    if (standIn !== '\ufffd') originals.set(standIn, character);
    return standIn;
  }

  function hideText(text: string): string {
    const starts = new Set(controlTokens.dangers(text).map(({ from }) => from));
    if (starts.size === 0) return text;
    return text.replace(/[\s\S]/g, (character, index: number) =>
      starts.has(index) ? standInFor(character) : character,
    );
  }

  return {
    hide: hideText,
    show: (text) => (originals.size === 0 ? text : text.replace(/[\ue000-\uf8ff]/g, (c) => originals.get(c) ?? c)),
  };
}

type MapText = (text: string) => string;

function hideMessage(message: ChatMessage, hide: MapText): ChatMessage {
  const { name, toolCalls, toolCallId, reasoning } = message;
  return {
    role: hide(message.role),
    content: hide(message.content),
    ...(name === undefined ? {} : { name: hide(name) }),
    ...(toolCallId === undefined ? {} : { toolCallId: hide(toolCallId) }),
    ...(reasoning === undefined ? {} : { reasoning: hide(reasoning) }),
    ...(toolCalls === undefined
      ? {}
      : {
          toolCalls: toolCalls.map((call) => ({
            id: hide(call.id),
            name: hide(call.name),
            argumentsText: hide(call.argumentsText),
            arguments: mapTexts(call.arguments, hide),
          })),
        }),
  };
}

/** Every text inside plain values, keys of objects included. */
function textsIn(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  if (typeof value !== 'object' || value === null) return [];
  if (Array.isArray(value)) return value.flatMap(textsIn);
  return Object.entries(value).flatMap(([key, entry]) => [key, ...textsIn(entry)]);
}

function mapTexts(value: unknown, map: MapText): unknown {
  if (typeof value === 'string') return map(value);
  if (typeof value !== 'object' || value === null) return value;
  return Array.isArray(value) ? value.map((entry) => mapTexts(entry, map)) : mapEntries(value, map);
}

function mapEntries(value: object, map: MapText): Record<string, unknown> {
  return Object.fromEntries(Object.entries(value).map(([key, entry]) => [map(key), mapTexts(entry, map)]));
}

function concatenate(pieces: readonly Int32Array[]): Int32Array {
  const all = new Int32Array(pieces.reduce((length, piece) => length + piece.length, 0));
  let offset = 0;
  for (const piece of pieces) {
    all.set(piece, offset);
    offset += piece.length;
  }
  return all;
}
