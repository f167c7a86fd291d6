// Anthropic's answers as schemas: strict, and held by the compiler against the types of its official client, so that a field
// that is missing there, or of another type, does not compile here and does not pass a test.

import type Anthropic from '@anthropic-ai/sdk';
import { z } from 'zod';

const textBlock = z.strictObject({ type: z.literal('text'), text: z.string(), citations: z.null() });
const thinkingBlock = z.strictObject({ type: z.literal('thinking'), thinking: z.string(), signature: z.string() });
const toolUseBlock = z.strictObject({
  type: z.literal('tool_use'),
  id: z.string().min(1),
  name: z.string().min(1),
  input: z.unknown(),
  caller: z.strictObject({ type: z.literal('direct') }),
});
const block = z.discriminatedUnion('type', [textBlock, thinkingBlock, toolUseBlock]);

const count = z.int().min(0);
const outputDetails = z.strictObject({ thinking_tokens: count }).nullable();
const deltaUsage = z.strictObject({
  input_tokens: count,
  cache_creation_input_tokens: count,
  cache_read_input_tokens: count,
  output_tokens: count,
  output_tokens_details: outputDetails,
  server_tool_use: z.null(),
});
const usage = z.strictObject({
  ...deltaUsage.shape,
  cache_creation: z.null(),
  service_tier: z.literal('standard'),
  inference_geo: z.null(),
  speed: z.null(),
});

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

export const messageSchema = z.strictObject({ ...head, content: z.array(block), ...stop });
const startedMessage = z.strictObject({
  ...head,
  content: z.array(block).length(0),
  stop_reason: z.null(),
  stop_sequence: z.null(),
  stop_details: z.null(),
});

const index = z.int().min(0);
const delta = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('text_delta'), text: z.string().min(1) }),
  z.strictObject({ type: z.literal('thinking_delta'), thinking: z.string().min(1) }),
  z.strictObject({ type: z.literal('signature_delta'), signature: z.string().min(1) }),
  z.strictObject({ type: z.literal('input_json_delta'), partial_json: z.string().min(1) }),
]);
export const eventSchema = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('message_start'), message: startedMessage }),
  z.strictObject({ type: z.literal('content_block_start'), index, content_block: block }),
  z.strictObject({ type: z.literal('content_block_delta'), index, delta }),
  z.strictObject({ type: z.literal('content_block_stop'), index }),
  z.strictObject({
    type: z.literal('message_delta'),
    delta: z.strictObject({ ...stop, container: z.null() }),
    usage: deltaUsage,
  }),
  z.strictObject({ type: z.literal('message_stop') }),
]);
export type MessageEvent = z.output<typeof eventSchema>;

export const errorSchema = z.strictObject({
  type: z.literal('error'),
  error: z.strictObject({
    type: z.enum([
      'invalid_request_error',
      'authentication_error',
      'not_found_error',
      'rate_limit_error',
      'timeout_error',
      'api_error',
      'overloaded_error',
    ]),
    message: z.string().min(1),
    details: z.strictObject({ error_code: z.string().min(1) }),
  }),
  request_id: z.string().min(1),
});

/** Never called: they compile only while the schemas agree with the client's types. */
export const agreement = {
  message: (message: z.output<typeof messageSchema>): Anthropic.Message => message,
  event: (event: MessageEvent): Anthropic.RawMessageStreamEvent => event,
  error: (error: z.output<typeof errorSchema>): Anthropic.ErrorResponse => error,
};

/** The events of a stream but for pings: each under the name of its type. Throws where one does not follow its schema. */
export function messageEvents(body: string): MessageEvent[] {
  return body
    .split('\n\n')
    .filter((framed) => framed !== '' && framed !== 'event: ping\ndata: {"type":"ping"}')
    .map((framed) => {
      const found = /^event: (\w+)\ndata: (.*)$/.exec(framed);
      const event = eventSchema.parse(JSON.parse(found?.[2] ?? 'null'));
      if (event.type !== found?.[1]) throw new Error(`the event of type ${event.type} is named ${found?.[1]}`);
      return event;
    });
}
