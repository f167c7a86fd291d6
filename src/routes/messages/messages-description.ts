// POST /v1/messages and its count_tokens, described.

import { messageAnswer, messageEvent, messagesErrorAnswer, messageTokenCount } from '../answers/messages.ts';
import { bodyErrors, generationErrors, jsonAnswer, type RouteDescription, streamedAnswer } from '../document/types.ts';
import { countSchema, messagesSchema } from './schema.ts';

const generation = { tag: 'Generation', needsKey: true } as const;
const messages = [{ role: 'user', content: 'What is the capital of France?' }];
const errorBody = messagesErrorAnswer;

export const messagesDescription: RouteDescription = {
  ...generation,
  summary: "Answer a conversation, in Anthropic's form",
  meaning: "Anthropic's Messages API. A stream's events are named after the `type` in their data.",
  body: {
    schema: messagesSchema.meta({ id: 'MessagesRequest' }),
    examples: { question: { summary: 'A question', value: { messages, max_tokens: 32 } } },
  },
  answers: streamedAnswer('The message.', { whole: messageAnswer, event: messageEvent, kind: 'named-events' }),
  errors: [...generationErrors, 'chat_template_failed'],
  errorBody,
};

export const countTokensDescription: RouteDescription = {
  ...generation,
  summary: 'How many tokens a message would be answered from',
  body: {
    schema: countSchema.meta({ id: 'CountTokensRequest' }),
    examples: { question: { summary: 'A question', value: { messages } } },
  },
  answers: jsonAnswer('The count.', messageTokenCount),
  errors: [...bodyErrors, 'chat_template_failed', 'model_not_found'],
  errorBody,
};
