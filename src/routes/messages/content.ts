// Content blocks of a Messages body: text, calls and their results, and reasoning that is played back.
// Source: ContentBlockParam of @anthropic-ai/sdk; blocks of what Octet does not have are refused by name.

import { z } from 'zod';
import { boundedArray, fieldOf, readByHand, surrogateRule, wireText } from '../wire-text.ts';

const blockCountMax = 1024;

/** Prefixes are shared by themselves: where a client would have them cached makes no difference. */
export const cacheControlField = z.object({ type: z.literal('ephemeral') }).nullish();

const textOnly = 'this server takes text only';
const noServerTools = 'this server runs no tools of its own';

/** Blocks that Anthropic's API has and this one does not. */
const refusals: Readonly<Record<string, string>> = {
  image: textOnly,
  document: textOnly,
  container_upload: textOnly,
  search_result: 'put the text into a text block',
  tool_reference: 'every tool is shown to the model',
  browser_state: textOnly,
  server_tool_use: noServerTools,
  web_search_tool_result: noServerTools,
  web_fetch_tool_result: noServerTools,
  code_execution_tool_result: noServerTools,
  bash_code_execution_tool_result: noServerTools,
  text_editor_code_execution_tool_result: noServerTools,
  tool_search_tool_result: noServerTools,
};

/** An object whose `key` must be one of `known`: the rest of it is checked only then, so that faults are few and clear. */
export function knownKind<T extends z.ZodType>(
  schema: T,
  {
    key,
    known,
    refused,
  }: { readonly key: string; readonly known: readonly string[]; readonly refused?: typeof refusals },
) {
  const names = known.map((name) => JSON.stringify(name)).join(', ');
  const reading = z
    .unknown()
    .superRefine((value, context) => {
      const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
      if (!isObject) return context.addIssue({ code: 'custom', message: 'must be an object' });
      const kind = fieldOf(value, key);
      if (typeof kind === 'string' && known.includes(kind)) return;
      const reason = typeof kind === 'string' && refused && Object.hasOwn(refused, kind) ? refused[kind] : undefined;
      const message = reason === undefined ? `must be one of ${names}` : `is not supported: ${reason}`;
      context.addIssue({ code: 'custom', message, path: [key] });
    })
    .pipe(schema);
  return readByHand(reading, schema);
}

const textBlock = z.object({ type: z.literal('text'), text: wireText, cache_control: cacheControlField });

export const systemBlock = knownKind(textBlock, { key: 'type', known: ['text'], refused: refusals });

/** A string stands for one block of text. */
export function contentField<T extends z.ZodType>(block: T) {
  const reading = z
    .unknown()
    .superRefine((value, context) => {
      if (typeof value === 'string' && !value.isWellFormed()) {
        context.addIssue({ code: 'custom', message: surrogateRule });
      } else if (typeof value !== 'string' && !(Array.isArray(value) && value.length <= blockCountMax)) {
        const message = `must be a string or a list of at most ${blockCountMax} content blocks`;
        context.addIssue({ code: 'custom', message });
      }
    })
    .transform((value) => (typeof value === 'string' ? [{ type: 'text', text: value }] : value))
    .pipe(boundedArray(block, { min: 0, max: blockCountMax }));
  return readByHand(reading, z.union([z.string(), z.array(block).max(blockCountMax)]));
}

const idField = wireText.min(1).max(256);

const toolResult = z.object({
  type: z.literal('tool_result'),
  tool_use_id: idField,
  content: contentField(systemBlock).nullish(),
  is_error: z.boolean().nullish(),
  cache_control: cacheControlField,
});

export const userBlock = knownKind(z.discriminatedUnion('type', [textBlock, toolResult]), {
  key: 'type',
  known: ['text', 'tool_result'],
  refused: refusals,
});

const toolUse = z.object({
  type: z.literal('tool_use'),
  id: idField,
  name: wireText.min(1).max(256),
  input: z.looseObject({}),
  cache_control: cacheControlField,
});

const thinking = z.object({ type: z.literal('thinking'), thinking: wireText, signature: wireText.nullish() });
const redactedThinking = z.object({ type: z.literal('redacted_thinking'), data: wireText });

export const assistantBlock = knownKind(
  z.discriminatedUnion('type', [textBlock, toolUse, thinking, redactedThinking]),
  { key: 'type', known: ['text', 'tool_use', 'thinking', 'redacted_thinking'], refused: refusals },
);
