// The body of POST /v1/embeddings, with the fields that vLLM and llama-server add.

import { z } from 'zod';
import { accountFields } from './account-fields.ts';
import { promptListField } from './completions-schema.ts';
import type { Fault } from './faults.ts';
import { limitFields } from './output-limits.ts';
import { commonFields } from './request-fields.ts';
import { wireText } from './wire-text.ts';

/** OpenAI's limit. */
const inputCountMax = 2048;
const normMax = 1024;

/** Fields of every endpoint that makes vectors. */
export const embeddingFields = {
  model: commonFields.model,
  truncate_prompt_tokens: limitFields.truncate_prompt_tokens.describe(
    'Cuts inputs to so many tokens; -1 to as many as the model reads.',
  ),
  user: wireText.nullish().describe('Accepted; of no effect.'),
  timeout: commonFields.timeout,
  ...accountFields,
};

const inputField = promptListField(inputCountMax);

export const embeddingsSchema = z.object({
  ...embeddingFields,
  input: inputField.describe('One text or several, as text or as token ids.'),
  encoding_format: z.enum(['float', 'base64']).nullish().describe('How the values are written. Default: float.'),
  dimensions: z
    .int()
    .min(1)
    .nullish()
    .describe("Keeps the first so many values. Default: all that the model's vectors have."),
  truncation_side: z
    .enum(['left', 'right'])
    .nullish()
    .describe('The end of an input that goes when it is cut. Default: right.'),
  add_special_tokens: z.boolean().nullish().describe("Puts the model's own tokens around a text. Default: true."),
  normalize: z.boolean().nullish().describe('Whether vectors have length 1. Default: true.'),
  embd_normalize: z
    .int()
    .min(-1)
    .max(normMax)
    .nullish()
    .describe(
      'By which norm: -1 none, 0 the largest value at 32,760, 1 taxicab, 2 Euclidean, above that the p-norm. Default: 2.',
    ),
});

export type EmbeddingsRequest = z.output<typeof embeddingsSchema>;

/** llama-server's own form names the texts `content`; both names are read there, `input` first. */
export const nativeEmbeddingsFields = z.object({
  ...embeddingsSchema.shape,
  input: inputField.optional(),
  content: inputField.optional().describe("llama-server's name for `input`, which goes first."),
});

export const nativeEmbeddingsSchema = nativeEmbeddingsFields.transform(
  ({ content, input = content, ...rest }, context): EmbeddingsRequest => {
    if (input !== undefined) return { ...rest, input };
    context.addIssue({ code: 'custom', message: 'must be given, or input', path: ['content'] });
    return z.NEVER;
  },
);

/** Faults between fields that are valid by themselves. */
export function embeddingFieldFaults({ normalize, embd_normalize: norm }: EmbeddingsRequest): Fault[] {
  const isPlain = norm === -1;
  if (typeof normalize !== 'boolean' || typeof norm !== 'number' || normalize !== isPlain) return [];
  return [{ path: ['embd_normalize'], rule: `must agree with normalize (${normalize})`, given: norm }];
}
