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
  use_activation: z.boolean().nullish().describe("vLLM's name for `raw_scores`, the other way round."),
  raw_scores: z.boolean().nullish().describe("Scores as the model's head gives them, not from 0 to 1."),
};

export const rerankSchema = z.object({
  ...rankingFields,
  query: documentField.describe('What the documents are to answer.'),
  documents: documentsField.optional().describe('Either these or `texts`.'),
  texts: documentsField
    .optional()
    .describe("Text Embeddings Inference's name for documents; the answer then has its form."),
  top_n: z.int().min(1).nullish().describe('Answers with so many of the best. Default: all.'),
  max_tokens_per_doc: z.int().min(1).nullish().describe('Cuts each document to so many tokens.'),
  return_documents: z.boolean().nullish().describe('Whether `documents` are repeated in the answer.'),
  return_text: z.boolean().nullish().describe('Whether `texts` are repeated in the answer.'),
});

export type RerankRequest = z.output<typeof rerankSchema>;

const oneOrMore = z.preprocess(
  (value) => (value === undefined || value === null ? undefined : Array.isArray(value) ? value : [value]),
  documentsField.optional(),
);

export const scoreSchema = z.object({
  ...rankingFields,
  text_1: oneOrMore.describe('One text, or as many as `text_2` has.'),
  text_2: oneOrMore.describe('What is held against them.'),
  queries: oneOrMore.describe('The newer name of `text_1`.'),
  documents: oneOrMore.describe('The newer name of `text_2`.'),
});

export type ScoreRequest = z.output<typeof scoreSchema>;
