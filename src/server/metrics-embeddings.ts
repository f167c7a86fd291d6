// The metrics of requests for vectors and ranks.
// Why apart from those of answers: nothing is generated, so that neither tokens a second nor times to a first token apply.

import type { MetricsRecord } from './metrics-record.ts';
import { counter, countsBy, histogram, type Series } from './metrics-series.ts';

export function embeddingSeries({ embeddings }: MetricsRecord): Series[] {
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
