// POST /v1/chat/completions.

import { type ChatRequest, chatMessagesOf, chatSchema, otherChatFaults } from './chat-schema.ts';
import type { RouteDependencies } from './dependencies.ts';
import type { Endpoint } from './endpoint.ts';
import { plainReport } from './report.ts';
import { checkBody } from './request-body.ts';
import { chatFormat } from './wire-shapes.ts';

export function chatEndpoint({ chatEncoder, tokenizer }: RouteDependencies): Endpoint<ChatRequest> {
  const rules = { schema: chatSchema, otherFaults: otherChatFaults, vocabularySize: tokenizer.vocabularySize };
  return {
    format: chatFormat,
    check: (body) => checkBody(body, rules),
    promptsOf: async (fields) => ({
      kind: 'valid',
      value: {
        prompts: [await chatEncoder.encodeChat(chatMessagesOf(fields))],
        promptField: 'messages',
        requestedTokensMax: fields.max_completion_tokens ?? fields.max_tokens ?? undefined,
        defaultTokensMax: undefined,
        report: {
          ...plainReport,
          outputTopCount: fields.logprobs ? (fields.top_logprobs ?? 0) : undefined,
        },
      },
    }),
  };
}
