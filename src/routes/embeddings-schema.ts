// The body of POST /v1/embeddings, with the fields that vLLM and llama-server add.

import { z } from 'zod';
import { accountFields } from './account-fields.ts';
import { promptListField } from './completions-schema.ts';
import type { Fault } from './faults.ts';
import { limitFields } from './output-limits.ts';
import { wireText } from './wire-text.ts';

/** OpenAI's limit. */
const inputCountMax = 2048;
/** A day: longer than any sensible answer, short enough to be a bound. */
const timeoutSecondsMax = 86_400;
const normMax = 1024;

/** Fields of every endpoint that makes vectors. */
export const embeddingFields = {
  model: wireText.nullish(),
  truncate_prompt_tokens: limitFields.truncate_prompt_tokens,
  user: wireText.nullish(),
  /** Seconds. */
  timeout: z.number().gt(0).max(timeoutSecondsMax).nullish(),
  ...accountFields,
};

const inputField = promptListField(inputCountMax);

export const embeddingsSchema = z.object({
  ...embeddingFields,
  input: inputField,
  encoding_format: z.enum(['float', 'base64']).nullish(),
  dimensions: z.int().min(1).nullish(),
  /** Which end of an input goes when it is cut: the right one unless told otherwise. */
  truncation_side: z.enum(['left', 'right']).nullish(),
  add_special_tokens: z.boolean().nullish(),
  normalize: z.boolean().nullish(),
  embd_normalize: z.int().min(-1).max(normMax).nullish(),
});

export type EmbeddingsRequest = z.output<typeof embeddingsSchema>;

/** llama-server's own form names the texts `content`; both names are read there, `input` first. */
export const nativeEmbeddingsFields = z.object({
  ...embeddingsSchema.shape,
  input: inputField.optional(),
  content: inputField.optional(),
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
