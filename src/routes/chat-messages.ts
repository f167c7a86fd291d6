// The messages of a chat body, and the conversation that a template renders from them.
// Source: OpenAI's ChatCompletionRequestMessage, text parts only; `reasoning_content` is DeepSeek's, which others took over.

import { z } from 'zod';
import type { ChatMessage, ChatToolCall } from '../text-ports.ts';
import { parseInnerJson } from './json-body.ts';
import { boundedArray, readByHand, surrogateRule, wireText } from './wire-text.ts';

const messageCountMax = 4096;
const partCountMax = 1024;
const callCountMax = 1024;
const contentRule = 'must be a string or a non-empty list of text parts';
const partRule = 'must be a text part like {"type":"text","text":"..."}; images, audio and files are not supported';

const textPart = z.object({ type: z.literal('text'), text: z.string() });
const contentShape = z.union([z.string(), z.array(textPart).min(1).max(partCountMax), z.null()]);

/** Null stands for no content, where a turn may have none. */
const contentReading = z
  .unknown()
  .optional()
  .transform((value, context): string | null => {
    if (value === null || value === undefined) return null;
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

const toolCall = z.object({
  id: wireText.min(1).max(256),
  type: z.literal('function').nullish(),
  function: z.object({ name: wireText.min(1).max(256), arguments: wireText }),
});

const message = z
  .object({
    role: z.enum(['system', 'developer', 'user', 'assistant', 'tool']),
    content: readByHand(contentReading, contentShape).describe('Text, or parts of it. May be left out beside calls.'),
    name: wireText.min(1).max(256).nullish(),
    tool_calls: boundedArray(toolCall, { min: 0, max: callCountMax }).nullish(),
    tool_call_id: wireText.min(1).max(256).nullish().describe('The call that a message of the role `tool` answers.'),
    reasoning_content: wireText.nullish().describe('What the model thought before an earlier answer.'),
  })
  .superRefine(checkTurn);

type WireMessage = z.output<typeof message>;

/** What belongs to which role. */
function checkTurn(turn: Omit<WireMessage, 'content'> & { content: string | null }, context: z.RefinementCtx): void {
  const isAssistant = turn.role === 'assistant';
  const callCount = turn.tool_calls?.length ?? 0;
  const fault = (path: string, rule: string): void => context.addIssue({ code: 'custom', message: rule, path: [path] });
  if (turn.content === null && !(isAssistant && callCount > 0)) fault('content', contentRule);
  if (!isAssistant && callCount > 0) fault('tool_calls', 'is only allowed where role is "assistant"');
  if (turn.role === 'tool' && !turn.tool_call_id) fault('tool_call_id', 'must name the call that this message answers');
}

export const messagesField = boundedArray(message.meta({ id: 'ChatMessage' }), {
  min: 1,
  max: messageCountMax,
}).describe('The conversation.');

/** The conversation as templates know it: OpenAI's `developer` is the newer name of `system`. */
export function chatMessagesOf(messages: readonly WireMessage[]): ChatMessage[] {
  const names = new Map(
    messages.flatMap(({ tool_calls: calls }) => (calls ?? []).map((call) => [call.id, call.function.name] as const)),
  );
  return messages.map((turn) => {
    const { role, content, tool_call_id: callId, tool_calls: calls, reasoning_content: reasoning } = turn;
    // Some templates show the result under the tool's name, which OpenAI's clients do not send.
    const name = turn.name ?? (callId ? names.get(callId) : undefined);
    return {
      role: role === 'developer' ? 'system' : role,
      content: content ?? '',
      ...(name ? { name } : {}),
      ...(callId ? { toolCallId: callId } : {}),
      ...(calls && calls.length > 0 ? { toolCalls: calls.map(chatToolCall) } : {}),
      ...(role === 'assistant' && reasoning ? { reasoning } : {}),
    };
  });
}

function chatToolCall({ id, function: called }: z.output<typeof toolCall>): ChatToolCall {
  const argumentsText = called.arguments.trim() === '' ? '{}' : called.arguments;
  return { id, name: called.name, argumentsText, arguments: parseInnerJson(argumentsText) ?? argumentsText };
}
