// The body of POST /v1/chat/completions.
// Source: OpenAI's CreateChatCompletionRequest; `chat_template_kwargs` and `thinking_token_budget` are vLLM's.

import { z } from 'zod';
import { messagesField } from './chat-messages.ts';
import type { Fault } from './faults.ts';
import { sharedFields, topCountField } from './request-fields.ts';
import { toolFaults, toolFields } from './tools-schema.ts';
import { unsupportedFaults, unsupportedInChat } from './unsupported.ts';

const variableCountMax = 64;
const variableNamePattern = /^[a-zA-Z_]\w{0,63}$/;
/** What the server itself gives the template. */
const ownVariables = ['messages', 'tools', 'add_generation_prompt', 'bos_token', 'eos_token'];
const variablesRule = `must have at most ${variableCountMax} names, none of them ${ownVariables.join(', ')}`;

export const chatVariablesField = z
  .looseObject({})
  .refine((variables) => {
    const names = Object.keys(variables);
    const areNames = names.every((name) => variableNamePattern.test(name) && !ownVariables.includes(name));
    return names.length <= variableCountMax && areNames;
  }, variablesRule)
  .nullish();

export const chatSchema = z
  .object({
    messages: messagesField,
    ...sharedFields,
    ...toolFields,
    max_completion_tokens: z.int().min(1).nullish().describe('Most output tokens, reasoning included.'),
    reasoning_effort: z
      .enum(['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max'])
      .nullish()
      .describe("A variable of the model's template; also sets `enable_thinking` and `thinking`."),
    thinking_token_budget: z.int().min(-1).nullish().describe('Most tokens of reasoning; -1 means no limit.'),
    chat_template_kwargs: chatVariablesField.describe("Variables of the model's template."),
    logprobs: z.boolean().nullish().describe('Lists every output token with its log-probability.'),
    top_logprobs: topCountField.describe('Likely tokens listed beside each; only where `logprobs` is true.'),
  })
  .meta({ id: 'ChatCompletionRequest' });

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

/** Faults between fields of a chat body. */
export function chatFieldFaults(fields: ChatRequest): Fault[] {
  const faults = toolFaults(fields);
  const { min_tokens: least, max_completion_tokens: most, max_tokens: old } = fields;
  // With both limits given they are equal, and the older one is complained of already.
  if (least && most && !old && least > most) {
    faults.push({ path: ['min_tokens'], rule: `must be <= max_completion_tokens (${most})`, given: least });
  }
  return faults;
}

/** What the template sees besides messages and tools: the client's own variables, over those that the effort stands for. */
export function templateVariablesOf({ reasoning_effort: effort, chat_template_kwargs: own }: ChatRequest) {
  if (!effort) return own ?? {};
  // gpt-oss reads the effort; Qwen, GLM and Gemma read enable_thinking, DeepSeek thinking.
  const isThinking = effort !== 'none';
  return { reasoning_effort: effort, enable_thinking: isThinking, thinking: isThinking, ...own };
}
