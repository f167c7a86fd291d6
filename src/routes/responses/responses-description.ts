// The routes of the Responses API, described.

import { z } from 'zod';
import {
  bodyErrors,
  generationErrors,
  jsonAnswer,
  type Parameter,
  type RouteDescription,
  streamedAnswer,
} from '../document/types.ts';
import { responsesFields } from './request-schema.ts';

const generation = { tag: 'Generation', needsKey: true } as const;
const id: Parameter = { name: 'id', meaning: 'The id of a kept response.', schema: z.string() };
const response = z.looseObject({ object: z.literal('response') }).meta({ id: 'Response' });
const requestBody = responsesFields.meta({ id: 'ResponseRequest' });
const keptErrors = ['invalid_request', 'invalid_api_key', 'not_found', 'internal_error'] as const;

export const responsesDescription: RouteDescription = {
  ...generation,
  summary: 'Answer a conversation, as the Responses API does',
  meaning: 'Goes on from `previous_response_id` where that is kept. Events are named after the `type` in their data.',
  body: {
    schema: requestBody,
    examples: {
      question: { summary: 'A question', value: { input: 'What is the capital of France?', max_output_tokens: 32 } },
    },
  },
  answers: streamedAnswer('The response.', {
    whole: response,
    event: z.looseObject({ type: z.string(), sequence_number: z.int().min(0) }).meta({ id: 'ResponseEvent' }),
  }),
  errors: [...generationErrors, 'chat_template_failed', 'not_found'],
};

export const inputTokensDescription: RouteDescription = {
  ...generation,
  summary: "How many tokens a response's prompt would have",
  body: {
    schema: requestBody,
    examples: { question: { summary: 'A question', value: { input: 'What is the capital of France?' } } },
  },
  answers: jsonAnswer('The count.', z.looseObject({ input_tokens: z.int().min(0) }).meta({ id: 'ResponseTokenCount' })),
  errors: [...bodyErrors, 'chat_template_failed', 'model_not_found', 'not_found'],
};

export const retrieveResponseDescription: RouteDescription = {
  ...generation,
  summary: 'A kept response',
  parameters: [id],
  answers: jsonAnswer('The response.', response),
  errors: keptErrors,
};

export const deleteResponseDescription: RouteDescription = {
  ...generation,
  summary: 'Forget a kept response',
  parameters: [id],
  answers: jsonAnswer(
    'What was forgotten.',
    z.looseObject({ id: z.string(), deleted: z.literal(true) }).meta({ id: 'DeletedResponse' }),
  ),
  errors: keptErrors,
};

export const cancelResponseDescription: RouteDescription = {
  ...generation,
  summary: 'Cancel a response: refused, for none runs in the background',
  parameters: [id],
  answers: {},
  errors: [...keptErrors, 'invalid_json', 'unsupported_media_type', 'body_too_large', 'request_timeout'],
};

export const inputItemsDescription: RouteDescription = {
  ...generation,
  summary: 'What a kept response was made from',
  parameters: [id],
  answers: jsonAnswer(
    'A page of items.',
    z.looseObject({ object: z.literal('list') }).meta({ id: 'ResponseItemList' }),
  ),
  errors: keptErrors,
};
