// The body of POST /v1/messages, and of its count_tokens.
// Source: MessageCreateParamsBase of @anthropic-ai/sdk. `seed`, `ignore_eos`, `priority`, `timeout`, `cache_salt` and
// `chat_template_kwargs` are this server's, as in chat.

import { z } from 'zod';
import { chatSchema } from '../chat-schema.ts';
import { outputFields } from '../output-field.ts';
import { sharedFields, stopCountMax, stopLengthMax } from '../request-fields.ts';
import { boundedArray, wireText } from '../wire-text.ts';
import { assistantBlock, cacheControlField, contentField, knownKind, systemBlock, userBlock } from './content.ts';
import { toolFields } from './tools.ts';

/** Anthropic's limit. */
const messageCountMax = 100_000;

const message = knownKind(
  z.discriminatedUnion('role', [
    z.object({ role: z.literal('user'), content: contentField(userBlock) }),
    z.object({ role: z.literal('assistant'), content: contentField(assistantBlock) }),
    z.object({ role: z.literal('system'), content: contentField(systemBlock) }),
  ]),
  { key: 'role', known: ['user', 'assistant', 'system'] },
);
export type WireTurn = z.output<typeof message>;

const displayField = z.enum(['summarized', 'omitted']).nullish();
const thinking = knownKind(
  z.discriminatedUnion('type', [
    z.object({ type: z.literal('enabled'), budget_tokens: z.int().min(1), display: displayField }),
    z.object({ type: z.literal('adaptive'), display: displayField }),
    z.object({ type: z.literal('disabled') }),
  ]),
  { key: 'type', known: ['enabled', 'adaptive', 'disabled'] },
);

const outputFormat = z.object({
  type: z.literal('json_schema'),
  schema: outputFields.guided_json.refine((grammar) => grammar !== undefined, 'must be a JSON schema: an object'),
});

const sharedShape = {
  model: wireText.describe('An id of /v1/models.'),
  messages: boundedArray(message, { min: 1, max: messageCountMax }).describe(
    "The turns; where the last is the assistant's, the answer goes on from it.",
  ),
  system: contentField(systemBlock).nullish().describe('Stands before the turns.'),
  thinking: thinking.nullish().describe('Whether the model thinks first, and how many tokens at most.'),
  output_config: z
    .object({
      effort: z.enum(['low', 'medium', 'high', 'xhigh', 'max']).nullish(),
      format: outputFormat.nullish().describe('The JSON schema that the answer follows.'),
    })
    .nullish()
    .describe('How much effort the answer takes, and its form.'),
  output_format: outputFormat.nullish().describe('The older name of `output_config.format`.'),
  ...toolFields,
  cache_control: cacheControlField.describe('Accepted; prefixes are found by their tokens.'),
  chat_template_kwargs: chatSchema.shape.chat_template_kwargs,
};

export const messagesSchema = z.object({
  ...sharedShape,
  max_tokens: z
    .int()
    .min(0)
    .describe(
      'Most output tokens, or what the context has left; 0 reads the prompt, so that it is cached, and answers nothing.',
    ),
  stop_sequences: boundedArray(wireText.min(1).max(stopLengthMax), { min: 0, max: stopCountMax })
    .nullish()
    .describe('The answer ends before the first of these texts.'),
  temperature: z.number().min(0).max(1).nullish().describe('0 takes the most likely token. Default: 1.'),
  top_p: sharedFields.top_p,
  top_k: z.int().min(0).nullish().describe('Keeps so many of the likeliest tokens. Default: 0, off.'),
  metadata: z
    .object({ user_id: wireText.max(512).nullish() })
    .nullish()
    .describe('`user_id`: whose share the request counts against, where no API key tells.'),
  service_tier: z.enum(['auto', 'standard_only']).nullish().describe('There is one tier: the answer says `standard`.'),
  stream: sharedFields.stream.describe('Answers with server-sent events.'),
  seed: sharedFields.seed,
  ignore_eos: sharedFields.ignore_eos,
  priority: sharedFields.priority,
  timeout: sharedFields.timeout,
  cache_salt: sharedFields.cache_salt,
});
export type MessagesRequest = z.output<typeof messagesSchema>;

/** The same conversation, without what only matters to its answer. */
export const countSchema = z.object(sharedShape);
export type CountRequest = z.output<typeof countSchema>;
