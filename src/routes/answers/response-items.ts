// The items of responses: what the model answered, and what a response was made from.
// Source: OpenAI's ResponseOutputItem and ResponseItem, those that need no tools of the server's own.

import { z } from 'zod';
import { tokenLogprobs } from './common.ts';

const status = z.enum(['in_progress', 'completed', 'incomplete']);

export const outputText = z
  .strictObject({
    type: z.literal('output_text'),
    text: z.string(),
    annotations: z.array(z.never()),
    logprobs: tokenLogprobs.describe('Empty where none were asked for.'),
  })
  .meta({ id: 'ResponseOutputText' });
export const reasoningText = z
  .strictObject({ type: z.literal('reasoning_text'), text: z.string() })
  .meta({ id: 'ResponseReasoningText' });

const answeredMessage = z.strictObject({
  type: z.literal('message'),
  id: z.string().startsWith('msg_'),
  role: z.literal('assistant'),
  status,
  content: z.array(outputText),
});
const call = z.strictObject({
  type: z.literal('function_call'),
  id: z.string().startsWith('fc_'),
  call_id: z.string().min(1),
  name: z.string().min(1),
  arguments: z.string().describe('JSON, as the model wrote it.'),
  status,
});
const reasoning = z.strictObject({
  type: z.literal('reasoning'),
  id: z.string().startsWith('rs_'),
  summary: z.array(z.never()).describe('Reasoning is told whole.'),
  content: z.array(reasoningText),
  encrypted_content: z.string().exactOptional().describe('Where `include` asked for it: to be given back as it is.'),
  status,
});

export const outputItem = z
  .discriminatedUnion('type', [answeredMessage, call, reasoning])
  .meta({ id: 'ResponseOutputItem' });

/** Items that the client gave keep their ids. */
const given = { id: z.string().min(1), status };
const inputText = z.strictObject({ type: z.literal('input_text'), text: z.string() });

export const inputItem = z
  .union([
    z.strictObject({
      ...given,
      type: z.literal('message'),
      role: z.enum(['user', 'system', 'developer']),
      content: z.array(inputText),
    }),
    z.strictObject({
      ...given,
      type: z.literal('message'),
      role: z.literal('assistant'),
      content: z.array(
        z.union([
          outputText.extend({ logprobs: tokenLogprobs.exactOptional() }),
          z.strictObject({ type: z.literal('refusal'), refusal: z.string() }),
        ]),
      ),
    }),
    call.extend(given),
    z.strictObject({
      ...given,
      type: z.literal('function_call_output'),
      call_id: z.string().min(1),
      output: z.union([z.string(), z.array(inputText)]),
    }),
    reasoning.extend({
      ...given,
      summary: z.array(z.strictObject({ type: z.literal('summary_text'), text: z.string() })),
    }),
  ])
  .meta({ id: 'ResponseInputItem' });
