// The answers of POST /v1/messages and its count_tokens.
// Source: Message, RawMessageStreamEvent, ErrorResponse and MessageTokensCount of @anthropic-ai/sdk.

import { z } from 'zod';
import { count, errorCodes } from './common.ts';

const textBlock = z.strictObject({ type: z.literal('text'), text: z.string(), citations: z.null() });
const thinkingBlock = z.strictObject({
  type: z.literal('thinking'),
  thinking: z.string().describe('Empty where it is hidden.'),
  signature: z.string(),
});
const toolUseBlock = z.strictObject({
  type: z.literal('tool_use'),
  id: z.string().min(1),
  name: z.string().min(1),
  input: z
    .union([z.looseObject({}), z.array(z.unknown()), z.string(), z.number(), z.boolean(), z.null()])
    .describe("By the tool's schema; text where the model wrote no JSON."),
  caller: z.strictObject({ type: z.literal('direct') }),
});
const block = z
  .discriminatedUnion('type', [textBlock, thinkingBlock, toolUseBlock])
  .meta({ id: 'MessageContentBlock' });

const deltaUsage = z
  .strictObject({
    input_tokens: count.describe('Without those found in the KV cache.'),
    cache_creation_input_tokens: count,
    cache_read_input_tokens: count.describe('Found in the KV cache.'),
    output_tokens: count,
    output_tokens_details: z.strictObject({ thinking_tokens: count }).nullable(),
    server_tool_use: z.null(),
  })
  .meta({ id: 'MessageDeltaUsage' });
const usage = z
  .strictObject({
    ...deltaUsage.shape,
    cache_creation: z.null(),
    service_tier: z.literal('standard'),
    inference_geo: z.null(),
    speed: z.null(),
  })
  .meta({ id: 'MessageUsage' });

const stopReason = z.enum(['end_turn', 'max_tokens', 'stop_sequence', 'tool_use', 'model_context_window_exceeded']);
const stop = { stop_reason: stopReason, stop_sequence: z.string().nullable(), stop_details: z.null() };
const head = {
  id: z.string().regex(/^msg_[0-9a-f]{32}$/),
  type: z.literal('message'),
  role: z.literal('assistant'),
  model: z.string(),
  container: z.null(),
  diagnostics: z.null(),
  usage,
};

export const messageAnswer = z.strictObject({ ...head, content: z.array(block), ...stop }).meta({ id: 'Message' });

const startedMessage = z.strictObject({
  ...head,
  content: z.array(block).length(0),
  stop_reason: z.null(),
  stop_sequence: z.null(),
  stop_details: z.null(),
});

const errorTypes = [
  'invalid_request_error',
  'authentication_error',
  'not_found_error',
  'rate_limit_error',
  'timeout_error',
  'api_error',
  'overloaded_error',
] as const;

export const messagesErrorAnswer = z
  .strictObject({
    type: z.literal('error'),
    error: z.strictObject({
      type: z.enum(errorTypes),
      message: z.string().min(1).describe('Every fault, each with its path, its limit and the given value.'),
      details: z.strictObject({ error_code: z.enum([...errorCodes, 'thread_unsupported_request']) }),
    }),
    request_id: z.string().min(1),
  })
  .meta({ id: 'MessagesError' });

const delta = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('text_delta'), text: z.string().min(1) }),
  z.strictObject({ type: z.literal('thinking_delta'), thinking: z.string().min(1) }),
  z.strictObject({ type: z.literal('signature_delta'), signature: z.string().min(1) }),
  z.strictObject({ type: z.literal('input_json_delta'), partial_json: z.string().min(1) }),
]);

export const messageEvent = z
  .discriminatedUnion('type', [
    z.strictObject({ type: z.literal('message_start'), message: startedMessage }),
    z.strictObject({ type: z.literal('content_block_start'), index: count, content_block: block }),
    z.strictObject({ type: z.literal('content_block_delta'), index: count, delta }),
    z.strictObject({ type: z.literal('content_block_stop'), index: count }),
    z.strictObject({
      type: z.literal('message_delta'),
      delta: z.strictObject({ ...stop, container: z.null() }),
      usage: deltaUsage,
    }),
    z.strictObject({ type: z.literal('message_stop') }),
    z.strictObject({ type: z.literal('ping') }),
    messagesErrorAnswer,
  ])
  .meta({ id: 'MessageEvent' });

export const messageTokenCount = z.strictObject({ input_tokens: count }).meta({ id: 'MessageTokenCount' });
