// The bodies of POST /v1/rerank (the form of Jina and Cohere, and that of Text Embeddings Inference) and of POST /v1/score (vLLM's).

import { z } from 'zod';
import { embeddingFields } from './embeddings-schema.ts';
import { boundedArray, readByHand, surrogateRule } from './wire-text.ts';

/** As many as there may be inputs of /v1/embeddings. */
const documentCountMax = 2048;

const documentRule = 'must be a string, or an object with a string named text';

/** A text by itself, or in an object as Jina's and Cohere's clients may send it. */
const documentReading = z.unknown().transform((value, context): string => {
  const text = typeof value === 'object' && value !== null && 'text' in value ? value.text : value;
  const rule = typeof text !== 'string' ? documentRule : text.isWellFormed() ? undefined : surrogateRule;
  if (rule !== undefined) context.addIssue({ code: 'custom', message: rule });
  return typeof text === 'string' ? text : '';
});

const documentShape = z.union([z.string(), z.looseObject({ text: z.string() })]);
const documentField = readByHand(documentReading, documentShape);
const documentsField = boundedArray(documentField, { min: 1, max: documentCountMax });

/** Fields of both endpoints. */
const rankingFields = {
  ...embeddingFields,
  /** vLLM's name for `raw_scores`, the other way round. */
  use_activation: z.boolean().nullish(),
  raw_scores: z.boolean().nullish(),
};

export const rerankSchema = z.object({
  ...rankingFields,
  query: documentField,
  documents: documentsField.optional(),
  /** Text Embeddings Inference's name for them; the answer then has its form. */
  texts: documentsField.optional(),
  top_n: z.int().min(1).nullish(),
  max_tokens_per_doc: z.int().min(1).nullish(),
  return_documents: z.boolean().nullish(),
  return_text: z.boolean().nullish(),
});

export type RerankRequest = z.output<typeof rerankSchema>;

const oneOrMore = z.preprocess(
  (value) => (value === undefined || value === null ? undefined : Array.isArray(value) ? value : [value]),
  documentsField.optional(),
);

export const scoreSchema = z.object({
  ...rankingFields,
  text_1: oneOrMore,
  text_2: oneOrMore,
  queries: oneOrMore,
  documents: oneOrMore,
});

export type ScoreRequest = z.output<typeof scoreSchema>;
