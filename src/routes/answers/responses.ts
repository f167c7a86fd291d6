// The answers of the routes of the Responses API, and the events of a stream.
// Source: OpenAI's Response, ResponseStreamEvent, ResponseItemList and InputTokenCountResponse.

import { z } from 'zod';
import { count, errorDetails, tokenLogprobs } from './common.ts';
import { inputItem, outputItem, outputText, reasoningText } from './response-items.ts';

const usage = z
  .strictObject({
    input_tokens: count,
    input_tokens_details: z.strictObject({
      cached_tokens: count.describe('Found in the KV cache.'),
      cache_write_tokens: count,
    }),
    output_tokens: count,
    output_tokens_details: z.strictObject({ reasoning_tokens: count }),
    total_tokens: count,
  })
  .meta({ id: 'ResponseUsage' });

const format = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('text') }),
  z.strictObject({ type: z.literal('json_object') }),
  z.strictObject({
    type: z.literal('json_schema'),
    name: z.string(),
    description: z.string().exactOptional(),
    strict: z.boolean(),
    schema: z.record(z.string(), z.unknown()),
  }),
]);
const namedTool = z.strictObject({ type: z.literal('function'), name: z.string().min(1) });
const toolChoice = z.union([
  z.enum(['none', 'auto', 'required']),
  namedTool,
  z.strictObject({ type: z.literal('allowed_tools'), mode: z.enum(['auto', 'required']), tools: z.array(namedTool) }),
]);
const tool = z.strictObject({
  type: z.literal('function'),
  name: z.string().min(1),
  description: z.string().nullable(),
  parameters: z.record(z.string(), z.unknown()).nullable(),
  strict: z.boolean(),
});
const failure = z.strictObject({
  code: z.enum(['rate_limit_exceeded', 'invalid_prompt', 'server_error']),
  message: z.string().min(1),
});

/** What was asked, with every default filled in. */
const repeatedFields = {
  instructions: z.string().nullable(),
  max_output_tokens: count.nullable(),
  max_tool_calls: count.nullable(),
  metadata: z.record(z.string(), z.string()),
  parallel_tool_calls: z.boolean(),
  previous_response_id: z.string().nullable(),
  prompt_cache_key: z.string().nullable(),
  reasoning: z.strictObject({
    effort: z.enum(['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max']).nullable(),
    summary: z.enum(['auto', 'concise', 'detailed']).nullable(),
  }),
  safety_identifier: z.string().nullable(),
  service_tier: z.literal('default'),
  store: z.boolean(),
  temperature: z.number(),
  text: z.strictObject({ format, verbosity: z.enum(['low', 'medium', 'high']) }),
  tool_choice: toolChoice,
  tools: z.array(tool),
  top_logprobs: count,
  top_p: z.number(),
  truncation: z.enum(['auto', 'disabled']),
  user: z.string().exactOptional(),
};

export const responseAnswer = z
  .strictObject({
    id: z.string().regex(/^resp_[0-9a-f]{48}$/),
    object: z.literal('response'),
    created_at: count.describe('Unix time in seconds.'),
    completed_at: count.nullable(),
    status: z.enum(['completed', 'failed', 'in_progress', 'cancelled', 'incomplete']),
    background: z.literal(false),
    error: failure.nullable(),
    incomplete_details: z.strictObject({ reason: z.literal('max_output_tokens') }).nullable(),
    model: z.string(),
    output: z.array(outputItem),
    usage: usage.nullable(),
    ...repeatedFields,
  })
  .meta({ id: 'Response' });

const numbered = { sequence_number: count.describe('From 0.') };
const whole = <T extends string>(type: T) =>
  z.strictObject({ type: z.literal(type), ...numbered, response: responseAnswer });
const inItem = { ...numbered, output_index: count, item_id: z.string() };
const inPart = { ...inItem, content_index: z.literal(0) };
const itemEvent = { ...numbered, output_index: count, item: outputItem };
const part = z.discriminatedUnion('type', [outputText, reasoningText]);
const delta = z.string().min(1);

export const responseEvent = z
  .discriminatedUnion('type', [
    whole('response.created'),
    whole('response.in_progress'),
    whole('response.completed'),
    whole('response.incomplete'),
    whole('response.failed'),
    z.strictObject({ type: z.literal('response.output_item.added'), ...itemEvent }),
    z.strictObject({ type: z.literal('response.output_item.done'), ...itemEvent }),
    z.strictObject({ type: z.literal('response.content_part.added'), ...inPart, part }),
    z.strictObject({ type: z.literal('response.content_part.done'), ...inPart, part }),
    z.strictObject({ type: z.literal('response.output_text.delta'), ...inPart, delta, logprobs: tokenLogprobs }),
    z.strictObject({
      type: z.literal('response.output_text.done'),
      ...inPart,
      text: z.string(),
      logprobs: tokenLogprobs,
    }),
    z.strictObject({ type: z.literal('response.reasoning_text.delta'), ...inPart, delta }),
    z.strictObject({ type: z.literal('response.reasoning_text.done'), ...inPart, text: z.string() }),
    z.strictObject({ type: z.literal('response.function_call_arguments.delta'), ...inItem, delta }),
    z.strictObject({
      type: z.literal('response.function_call_arguments.done'),
      ...inItem,
      name: z.string().min(1),
      arguments: z.string(),
    }),
    z.strictObject({
      type: z.literal('error'),
      ...numbered,
      ...errorDetails.omit({ type: true }).shape,
      error: errorDetails,
    }),
  ])
  .meta({ id: 'ResponseEvent' });

export const responseTokenCount = z
  .strictObject({ object: z.literal('response.input_tokens'), input_tokens: count })
  .meta({ id: 'ResponseTokenCount' });

export const deletedResponse = z
  .strictObject({ id: z.string().min(1), object: z.literal('response'), deleted: z.literal(true) })
  .meta({ id: 'DeletedResponse' });

export const responseItemList = z
  .strictObject({
    object: z.literal('list'),
    data: z.array(inputItem),
    first_id: z.string().nullable(),
    last_id: z.string().nullable(),
    has_more: z.boolean(),
  })
  .meta({ id: 'ResponseItemList' });
