// The routes of the Responses API, described.

import { z } from 'zod';
import {
  deletedResponse,
  responseAnswer,
  responseEvent,
  responseItemList,
  responseTokenCount,
} from '../answers/responses.ts';
import {
  bodyErrors,
  generationErrors,
  jsonAnswer,
  type Parameter,
  type RouteDescription,
  streamedAnswer,
} from '../document/types.ts';
import { listQuery, retrieveQuery } from './kept-queries.ts';
import { describedResponsesFields } from './request-schema.ts';

const generation = { tag: 'Generation', needsKey: true } as const;
const id: Parameter = { name: 'id', meaning: 'The id of a kept response.', schema: z.string() };
const keptErrors = ['invalid_request', 'invalid_api_key', 'response_not_found', 'internal_error'] as const;
/** A body is not asked for, and read where there is one. */
const unaskedBodyErrors = ['invalid_json', 'unsupported_media_type', 'body_too_large', 'request_timeout'] as const;
const input = 'What is the capital of France?';
const stockTool = {
  type: 'function',
  name: 'check_stock',
  description: 'How many pieces of an item are in stock',
  parameters: { type: 'object', properties: { product: { type: 'string' } }, required: ['product'] },
};
const capitalSchema = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] };

export const responsesDescription: RouteDescription = {
  ...generation,
  summary: 'Answer a conversation, as the Responses API does',
  meaning:
    'Goes on from `previous_response_id` where that is kept. Events are named after the `type` in their data. Sampling fields beyond the published ones are those of a chat.',
  body: {
    schema: describedResponsesFields,
    examples: {
      question: { summary: 'A question', value: { input, temperature: 0, max_output_tokens: 32 } },
      stream: { summary: 'As a stream', value: { input, stream: true, max_output_tokens: 32 } },
      tools: {
        summary: 'With a tool to call',
        value: { input: 'What is the stock level of bucket?', tools: [stockTool], max_output_tokens: 64 },
      },
      schema: {
        summary: 'JSON by a schema',
        value: {
          input: [{ role: 'user', content: input }],
          text: { format: { type: 'json_schema', name: 'capital', schema: capitalSchema } },
          max_output_tokens: 64,
        },
      },
    },
  },
  answers: streamedAnswer('The response.', { whole: responseAnswer, event: responseEvent, kind: 'named-events' }),
  errors: [...generationErrors, 'chat_template_failed', 'previous_response_not_found'],
};

export const inputTokensDescription: RouteDescription = {
  ...generation,
  summary: "How many tokens a response's prompt would have",
  body: { schema: describedResponsesFields, examples: { question: { summary: 'A question', value: { input } } } },
  answers: jsonAnswer('The count.', responseTokenCount),
  errors: [...bodyErrors, 'chat_template_failed', 'model_not_found', 'previous_response_not_found'],
};

export const retrieveResponseDescription: RouteDescription = {
  ...generation,
  summary: 'A kept response',
  parameters: [
    id,
    { in: 'query', name: 'stream', meaning: 'Events are not kept.', schema: retrieveQuery.shape.stream },
  ],
  answers: jsonAnswer('The response.', responseAnswer),
  errors: keptErrors,
};

export const deleteResponseDescription: RouteDescription = {
  ...generation,
  summary: 'Forget a kept response',
  meaning: 'Later responses that go on from it keep what they need.',
  parameters: [id],
  answers: jsonAnswer('What was forgotten.', deletedResponse),
  errors: [...keptErrors, ...unaskedBodyErrors],
};

export const cancelResponseDescription: RouteDescription = {
  ...generation,
  summary: 'Cancel a response: refused, for none runs in the background',
  parameters: [id],
  answers: {},
  errors: [...keptErrors, ...unaskedBodyErrors],
};

const { limit, order, after } = listQuery.shape;

export const inputItemsDescription: RouteDescription = {
  ...generation,
  summary: 'What a kept response was made from',
  meaning: 'Items of earlier responses that it went on from included.',
  parameters: [
    id,
    { in: 'query', name: 'limit', meaning: 'Most items.', schema: limit },
    { in: 'query', name: 'order', meaning: '`desc`: newest first.', schema: order },
    { in: 'query', name: 'after', meaning: 'The id of the item before the first one.', schema: after },
  ],
  answers: jsonAnswer('Some of the items.', responseItemList),
  errors: keptErrors,
};
