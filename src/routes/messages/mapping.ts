// A Messages body as a chat's: the same conversation, the same switches, under the names that the chat machinery knows.
// Why fields and not a body of OpenAI's: what was checked is not spelled out and checked again, and faults keep their paths.

import type { ChatRequest } from '../chat-schema.ts';
import type { CountRequest, MessagesRequest } from './schema.ts';
import { allowsSeveralCalls, chatToolChoice, chatTools } from './tools.ts';
import { chatTurns, prefillOf, systemTurn } from './turns.ts';

/** What the answer needs beyond what a chat has. */
export interface OwnFields {
  /** What the answer begins with, written by the client. */
  readonly prefill: string | undefined;
  readonly maxTokens: number;
  readonly stopSequences: readonly string[];
  /** Blocks of thinking are told of, but not shown. */
  readonly hidesThinking: boolean;
}

/** Fields of a chat that no Messages body has. */
const absentFields = {
  stop: [],
  logit_bias: [],
  structured_outputs: undefined,
  guided_json: undefined,
  guided_regex: undefined,
  guided_choice: undefined,
  guided_grammar: undefined,
};

export interface MessagesFields extends ChatRequest {
  readonly own: OwnFields;
}

export function messagesFields(fields: MessagesRequest): MessagesFields {
  const stops = fields.stop_sequences ?? [];
  return {
    ...conversationFields(fields),
    max_tokens: fields.max_tokens,
    stop: stops,
    temperature: fields.temperature,
    top_p: fields.top_p,
    top_k: fields.top_k,
    stream: fields.stream,
    user: fields.metadata?.user_id,
    seed: fields.seed,
    ignore_eos: fields.ignore_eos,
    priority: fields.priority,
    timeout: fields.timeout,
    cache_salt: fields.cache_salt,
    own: {
      prefill: prefillOf(fields.messages),
      maxTokens: fields.max_tokens,
      stopSequences: stops,
      hidesThinking: hidesThinking(fields),
    },
  };
}

function hidesThinking({ thinking }: MessagesRequest): boolean {
  return thinking?.type !== 'disabled' && thinking?.display === 'omitted';
}

/** What makes the prompt. */
function conversationFields(fields: CountRequest): ChatRequest {
  const { messages, system, output_config: output } = fields;
  return {
    ...absentFields,
    model: fields.model,
    messages: [...(system ? [systemTurn(system)] : []), ...chatTurns(messages)],
    tools: chatTools(fields),
    tool_choice: chatToolChoice(fields),
    parallel_tool_calls: allowsSeveralCalls(fields),
    response_format: (output?.format ?? fields.output_format)?.schema,
    ...thinkingFields(fields),
  };
}

type ThinkingFields = Pick<ChatRequest, 'chat_template_kwargs' | 'thinking_token_budget'>;

/** Where nothing is said, the model thinks as its template has it. */
function thinkingFields(fields: CountRequest): ThinkingFields {
  const { thinking, output_config: output, messages, chat_template_kwargs: own } = fields;
  const effort = output?.effort === 'max' ? 'xhigh' : output?.effort;
  // An answer that goes on from given words is past its thinking.
  const isOff = thinking?.type === 'disabled' || prefillOf(messages) !== undefined;
  const isSaid = isOff || Boolean(thinking);
  const budget = isOff ? 0 : thinking?.type === 'enabled' ? thinking.budget_tokens : undefined;
  return {
    chat_template_kwargs: {
      ...(effort ? { reasoning_effort: effort } : {}),
      ...(isSaid ? { enable_thinking: !isOff, thinking: !isOff } : {}),
      ...own,
    },
    thinking_token_budget: budget,
  };
}
