// The body of POST /v1/chat/completions.
// Source: OpenAI's CreateChatCompletionRequest; text parts only, the roles that take text only.

import { z } from 'zod';
import type { ChatMessage } from '../ports.ts';
import type { Fault } from './faults.ts';
import { sharedFields, topCountField } from './request-fields.ts';
import { unsupportedFaults, unsupportedInChat } from './unsupported.ts';
import { boundedArray, surrogateRule, wireText } from './wire-text.ts';

const messageCountMax = 4096;
const partCountMax = 1024;
const contentRule = 'must be a string or a non-empty list of text parts';
const partRule = 'must be a text part like {"type":"text","text":"..."}; images, audio and files are not supported';

const contentField = z
  .unknown()
  .optional()
  .transform((value, context): string => {
    if (typeof value === 'string') {
      if (!value.isWellFormed()) context.addIssue({ code: 'custom', message: surrogateRule });
      return value;
    }
    if (Array.isArray(value) && value.length > 0 && value.length <= partCountMax) return joinParts(value, context);
    const rule = Array.isArray(value) && value.length > 0 ? `must have at most ${partCountMax} parts` : contentRule;
    context.addIssue({ code: 'custom', message: rule });
    return '';
  });

/** Parts are separate blocks of text: a newline keeps them apart, as vLLM and llama-server do. */
function joinParts(parts: readonly unknown[], context: z.RefinementCtx): string {
  const texts: string[] = [];
  for (const [index, part] of parts.entries()) {
    if (!isTextPart(part)) context.addIssue({ code: 'custom', message: partRule, path: [index, 'type'] });
    else if (!part.text.isWellFormed()) {
      context.addIssue({ code: 'custom', message: surrogateRule, path: [index, 'text'] });
    } else texts.push(part.text);
  }
  return texts.join('\n');
}

function isTextPart(part: unknown): part is { readonly type: 'text'; readonly text: string } {
  if (typeof part !== 'object' || part === null || !('type' in part) || !('text' in part)) return false;
  return part.type === 'text' && typeof part.text === 'string';
}

const message = z.object({
  role: z.enum(['system', 'developer', 'user', 'assistant']),
  content: contentField,
  name: wireText.min(1).max(256).nullish(),
});

export const chatSchema = z.object({
  ...sharedFields,
  messages: boundedArray(message, { min: 1, max: messageCountMax }),
  max_completion_tokens: z.int().min(1).nullish(),
  logprobs: z.boolean().nullish(),
  top_logprobs: topCountField,
});

export type ChatRequest = z.output<typeof chatSchema>;

/** Faults of a chat body outside its schema. */
export function otherChatFaults(body: unknown): Fault[] {
  const faults = unsupportedFaults(body, unsupportedInChat);
  if (typeof body !== 'object' || body === null) return faults;
  const old = 'max_tokens' in body ? (body.max_tokens ?? undefined) : undefined;
  const current = 'max_completion_tokens' in body ? (body.max_completion_tokens ?? undefined) : undefined;
  if (old !== undefined && current !== undefined && old !== current) {
    const rule = 'must be equal to max_completion_tokens when both are given';
    faults.push({ path: ['max_tokens'], rule, given: old });
  }
  const topCount = 'top_logprobs' in body ? body.top_logprobs : undefined;
  const asksForLogprobs = 'logprobs' in body && body.logprobs === true;
  if (typeof topCount === 'number' && topCount > 0 && !asksForLogprobs) {
    faults.push({ path: ['top_logprobs'], rule: 'is only allowed when logprobs is true', given: topCount });
  }
  return faults;
}

/** The conversation as templates know it: OpenAI's `developer` is the newer name of `system`. */
export function chatMessagesOf(request: ChatRequest): ChatMessage[] {
  return request.messages.map(({ role, content, name }) => ({
    role: role === 'developer' ? 'system' : role,
    content,
    ...(name ? { name } : {}),
  }));
}
