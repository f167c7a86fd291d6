// Requests for vectors and ranks: what is counted of them, and under which names.
// Why apart from those of answers: nothing is generated, so that neither tokens a second nor times to a first token apply.

import { type EmbeddedRequest, embeddingEndpoints } from '../routes/metrics-port.ts';
import { increment, zeroCounts } from './metrics-counts.ts';
import { createBuckets, observe, requestSecondsBounds, requestTokensBounds } from './metrics-histogram.ts';
import { counter, countsBy, histogram, type Series } from './metrics-series.ts';

export type EmbeddingRecord = ReturnType<typeof createEmbeddingRecord>;

export function createEmbeddingRecord() {
  return {
    requests: zeroCounts(embeddingEndpoints),
    inputs: zeroCounts(embeddingEndpoints),
    tokens: zeroCounts(embeddingEndpoints),
    seconds: createBuckets(requestSecondsBounds),
    requestTokens: createBuckets(requestTokensBounds),
  };
}

export function recordEmbedded(embeddings: EmbeddingRecord, request: EmbeddedRequest): void {
  const { endpoint, inputCount, tokenCount, seconds } = request;
  increment(embeddings.requests, endpoint);
  increment(embeddings.inputs, endpoint, inputCount);
  increment(embeddings.tokens, endpoint, tokenCount);
  observe(embeddings.seconds, seconds);
  observe(embeddings.requestTokens, tokenCount);
}

/** Tokens of all answered requests for vectors and ranks. */
export function embeddedTokens({ tokens }: EmbeddingRecord): number {
  let sum = 0;
  for (const count of tokens.values()) sum += count;
  return sum;
}

export function embeddingSeries(embeddings: EmbeddingRecord): Series[] {
  return [
    counter(
      'octet_embedding_requests_total',
      'Requests for vectors (embeddings) or ranks (rerank, score) that were answered, by endpoint.',
      countsBy('endpoint', embeddings.requests),
    ),
    counter(
      'octet_embedding_inputs_total',
      'Texts, or pairs of texts, of those requests, by endpoint.',
      countsBy('endpoint', embeddings.inputs),
    ),
    counter(
      'octet_embedding_tokens_total',
      'Tokens of those texts, by endpoint; counted in vllm:prompt_tokens_total too.',
      countsBy('endpoint', embeddings.tokens),
    ),
    histogram(
      'octet_embedding_request_seconds',
      'From receiving a request for vectors or ranks to having them.',
      embeddings.seconds,
    ),
    histogram(
      'octet_embedding_request_tokens',
      'Tokens of one such request, all its texts together.',
      embeddings.requestTokens,
    ),
  ];
}
