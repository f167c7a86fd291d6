// POST /v1/chat/completions.

import { type ChatParts, chatFieldNames } from './chat-part.ts';
import { type ChatRequest, chatFieldFaults, chatSchema, otherChatFaults } from './chat-schema.ts';
import type { RouteDependencies } from './dependencies.ts';
import type { Endpoint } from './endpoint.ts';
import { checkBody } from './request-body.ts';
import { chatSpelling, openAiFormat } from './wire-shapes.ts';

export function chatEndpoint({ tokenizer }: RouteDependencies, chatParts: ChatParts): Endpoint<ChatRequest> {
  const rules = {
    schema: chatSchema,
    otherFaults: otherChatFaults,
    fieldFaults: chatFieldFaults,
    vocabularySize: tokenizer.vocabularySize,
  };
  return {
    check: (body) => checkBody(body, rules),
    promptsOf: chatParts(chatFieldNames),
    formatOf: (fields, facts) => openAiFormat(chatSpelling, facts, fields),
  };
}
