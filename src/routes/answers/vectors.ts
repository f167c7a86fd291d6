// The answers of the endpoints that make vectors and ranks, in the forms of those whose clients ask.
// Source: OpenAI's CreateEmbeddingResponse, llama-server's /embedding, Jina's and Cohere's rerank, that of Text Embeddings
// Inference, vLLM's score.

import { z } from 'zod';
import { count } from './common.ts';

const usage = z.strictObject({ prompt_tokens: count, total_tokens: count });
const vector = z.array(z.number()).min(1);

export const embeddingList = z
  .strictObject({
    object: z.literal('list'),
    data: z.array(
      z.strictObject({
        object: z.literal('embedding'),
        index: count,
        embedding: z
          .union([vector, z.base64().min(1)])
          .describe('Numbers, or base64 of 32-bit little-endian floats where `encoding_format` asked for it.'),
      }),
    ),
    model: z.string(),
    usage,
  })
  .meta({ id: 'EmbeddingList' });

export const nativeEmbeddingList = z
  .array(
    z.strictObject({
      index: count,
      embedding: z.array(vector).min(1).describe('One vector, or one for each token with `--pooling none`.'),
    }),
  )
  .meta({ id: 'NativeEmbeddingList' });

const ranking = z
  .strictObject({
    id: z.string().startsWith('rerank-'),
    object: z.literal('list'),
    model: z.string(),
    usage,
    results: z.array(
      z.strictObject({
        index: count,
        relevance_score: z.number(),
        document: z.strictObject({ text: z.string() }).exactOptional(),
      }),
    ),
  })
  .meta({ id: 'Ranking' });

/** Text Embeddings Inference's form. */
const textRanking = z
  .array(z.strictObject({ index: count, score: z.number(), text: z.string().exactOptional() }))
  .meta({ id: 'TextRanking' });

export const rankingAnswer = z
  .union([ranking, textRanking])
  .describe('The list where the request has `texts`, as Text Embeddings Inference answers.');

export const scoreList = z
  .strictObject({
    id: z.string().startsWith('score-'),
    object: z.literal('list'),
    created: count.describe('Unix time in seconds.'),
    model: z.string(),
    data: z.array(z.strictObject({ index: count, object: z.literal('score'), score: z.number() })),
    usage: usage.extend({ completion_tokens: z.literal(0) }),
  })
  .meta({ id: 'ScoreList' });
