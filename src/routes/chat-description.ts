// POST /v1/chat/completions, described.

import { chatCompletion, chatCompletionChunk } from './answers/chat.ts';
import { chatSchema } from './chat-schema.ts';
import { generationErrors, type RouteDescription, streamedAnswer } from './document/types.ts';

const question = { role: 'user', content: 'What is the capital of France?' };
const stockTool = {
  type: 'function',
  function: {
    name: 'check_stock',
    description: 'How many pieces of an item are in stock',
    parameters: { type: 'object', properties: { product: { type: 'string' } }, required: ['product'] },
  },
};
const citySchema = {
  type: 'object',
  properties: { city: { type: 'string' }, country: { type: 'string' } },
  required: ['city', 'country'],
};

export const chatDescription: RouteDescription = {
  summary: 'Answer a conversation',
  meaning:
    "OpenAI's chat completions: whole, or as a stream where `stream` is true. Fields beyond OpenAI's are vLLM's. A field that would change the answer and is not supported is refused by name.",
  tag: 'Generation',
  needsKey: true,
  body: {
    schema: chatSchema,
    examples: {
      question: { summary: 'A question', value: { messages: [question], temperature: 0, max_tokens: 32 } },
      stream: {
        summary: 'As a stream, with usage',
        value: { messages: [question], stream: true, stream_options: { include_usage: true }, max_tokens: 32 },
      },
      tools: {
        summary: 'With a tool to call',
        value: {
          messages: [{ role: 'user', content: 'What is the stock level of bucket?' }],
          tools: [stockTool],
          temperature: 0,
          max_tokens: 64,
        },
      },
      schema: {
        summary: 'JSON by a schema',
        value: {
          messages: [question],
          response_format: { type: 'json_schema', json_schema: { name: 'capital', schema: citySchema } },
          max_tokens: 64,
        },
      },
    },
  },
  answers: streamedAnswer('The answer.', { whole: chatCompletion, event: chatCompletionChunk }),
  errors: [...generationErrors, 'chat_template_failed'],
};
