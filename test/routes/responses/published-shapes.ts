// The response and the events of its stream as OpenAI publishes them: required fields, enumerations, nulls.
// Source: OpenAI's Response, ResponseOutputItem and ResponseStreamEvent. Fields beyond them are let through.

import { z } from 'zod';

const itemStatus = z.enum(['in_progress', 'completed', 'incomplete']);
const topLogprob = z.looseObject({ token: z.string(), logprob: z.number() });
const logprobs = z.array(topLogprob.extend({ bytes: z.array(z.int()), top_logprobs: z.array(topLogprob) }));
const outputText = z.looseObject({
  type: z.literal('output_text'),
  text: z.string(),
  annotations: z.array(z.never()),
  logprobs,
});
const reasoningText = z.looseObject({ type: z.literal('reasoning_text'), text: z.string() });

const message = z.looseObject({
  type: z.literal('message'),
  id: z.string().startsWith('msg_'),
  role: z.literal('assistant'),
  status: itemStatus,
  content: z.array(outputText),
});
const call = z.looseObject({
  type: z.literal('function_call'),
  id: z.string().startsWith('fc_'),
  call_id: z.string(),
  name: z.string(),
  arguments: z.string(),
  status: itemStatus,
});
const reasoning = z.looseObject({
  type: z.literal('reasoning'),
  id: z.string().startsWith('rs_'),
  summary: z.array(z.never()),
  content: z.array(reasoningText),
  encrypted_content: z.string().optional(),
  status: itemStatus,
});
const outputItem = z.discriminatedUnion('type', [message, call, reasoning]);

const usage = z.strictObject({
  input_tokens: z.int(),
  input_tokens_details: z.strictObject({ cached_tokens: z.int(), cache_write_tokens: z.int() }),
  output_tokens: z.int(),
  output_tokens_details: z.strictObject({ reasoning_tokens: z.int() }),
  total_tokens: z.int(),
});

export const responseShape = z.looseObject({
  id: z.string().regex(/^resp_[0-9a-f]{48}$/),
  object: z.literal('response'),
  created_at: z.int(),
  completed_at: z.int().nullable(),
  status: z.enum(['completed', 'failed', 'in_progress', 'cancelled', 'incomplete']),
  background: z.literal(false),
  error: z.strictObject({ code: z.string(), message: z.string() }).nullable(),
  incomplete_details: z.strictObject({ reason: z.literal('max_output_tokens') }).nullable(),
  instructions: z.string().nullable(),
  max_output_tokens: z.int().nullable(),
  metadata: z.record(z.string(), z.string()),
  model: z.string(),
  output: z.array(outputItem),
  parallel_tool_calls: z.boolean(),
  previous_response_id: z.string().nullable(),
  prompt_cache_key: z.string().nullable(),
  reasoning: z.strictObject({ effort: z.string().nullable(), summary: z.string().nullable() }),
  safety_identifier: z.string().nullable(),
  service_tier: z.literal('default'),
  store: z.boolean(),
  temperature: z.number(),
  text: z.strictObject({ format: z.looseObject({ type: z.string() }), verbosity: z.enum(['low', 'medium', 'high']) }),
  tool_choice: z.union([z.enum(['none', 'auto', 'required']), z.looseObject({ type: z.string() })]),
  tools: z.array(
    z.strictObject({
      type: z.literal('function'),
      name: z.string(),
      description: z.string().nullable(),
      parameters: z.record(z.string(), z.unknown()).nullable(),
      strict: z.boolean(),
    }),
  ),
  top_logprobs: z.int(),
  top_p: z.number(),
  truncation: z.enum(['auto', 'disabled']),
  usage: usage.nullable(),
  user: z.string().optional(),
});

const whole = <T extends string>(type: T) =>
  z.strictObject({ type: z.literal(type), sequence_number: z.int(), response: responseShape });
const inItem = { sequence_number: z.int(), output_index: z.int(), item_id: z.string() };
const inPart = { ...inItem, content_index: z.literal(0) };
const itemEvent = { sequence_number: z.int(), output_index: z.int(), item: outputItem };
const part = z.discriminatedUnion('type', [outputText, reasoningText]);

export const eventShape = z.discriminatedUnion('type', [
  whole('response.created'),
  whole('response.in_progress'),
  whole('response.completed'),
  whole('response.incomplete'),
  whole('response.failed'),
  z.strictObject({ type: z.literal('response.output_item.added'), ...itemEvent }),
  z.strictObject({ type: z.literal('response.output_item.done'), ...itemEvent }),
  z.strictObject({ type: z.literal('response.content_part.added'), ...inPart, part }),
  z.strictObject({ type: z.literal('response.content_part.done'), ...inPart, part }),
  z.strictObject({ type: z.literal('response.output_text.delta'), ...inPart, delta: z.string().min(1), logprobs }),
  z.strictObject({ type: z.literal('response.output_text.done'), ...inPart, text: z.string(), logprobs }),
  z.strictObject({ type: z.literal('response.reasoning_text.delta'), ...inPart, delta: z.string().min(1) }),
  z.strictObject({ type: z.literal('response.reasoning_text.done'), ...inPart, text: z.string() }),
  z.strictObject({ type: z.literal('response.function_call_arguments.delta'), ...inItem, delta: z.string().min(1) }),
  z.strictObject({
    type: z.literal('response.function_call_arguments.done'),
    ...inItem,
    name: z.string(),
    arguments: z.string(),
  }),
  z.looseObject({
    type: z.literal('error'),
    sequence_number: z.int(),
    code: z.string().nullable(),
    message: z.string(),
    param: z.string().nullable(),
  }),
]);

export type ResponseEvent = z.infer<typeof eventShape>;

/** The events of a stream's text, each of the published shape, named as its `event:` line says, and numbered from 0. */
export function responseEvents(body: string): ResponseEvent[] {
  return body
    .split('\n\n')
    .filter((frame) => frame !== '' && !frame.startsWith(':'))
    .map((frame, index) => {
      const [, name, data] = /^event: (\S+)\ndata: (.*)$/.exec(frame) ?? [];
      const event = eventShape.parse(JSON.parse(data ?? 'null'));
      if (event.type !== name || event.sequence_number !== index) throw new Error(`event ${index} is named ${name}`);
      return event;
    });
}
