// POST /v1/rerank: documents in the order in which they answer a query.
// Source: the forms of Jina's and Cohere's rerank endpoints, and of Text Embeddings Inference's where the documents are `texts`.

import { randomUUID } from 'node:crypto';
import { type EmbeddingExchange, readUsage } from './embedding-run.ts';
import { sendError } from './error-answer.ts';
import { faultsError, faultsOf } from './faults.ts';
import { rankPairs } from './ranking.ts';
import { type RerankRequest, rerankSchema } from './rerank-schema.ts';

/** Answers one request, or says why not. */
export async function serveRerank(exchange: EmbeddingExchange): Promise<void> {
  const { dependencies, reply, request } = exchange;
  const parsed = rerankSchema.safeParse(request.body);
  const faults = parsed.success ? documentFaults(parsed.data) : faultsOf(parsed.error.issues, request.body);
  if (!parsed.success || faults.length > 0) return sendError(reply, faultsError(faults), dependencies.metrics);
  const fields = parsed.data;
  const field = fields.documents === undefined ? 'texts' : 'documents';
  const documents = fields.documents ?? fields.texts ?? [];
  const pairs = documents.map((document, index) => ({ query: fields.query, document, path: `${field}.${index}` }));
  const ranked = await rankPairs(exchange, pairs, { fields, endpoint: 'rerank' });
  if (ranked === undefined) return;
  const { scores, model, tokenCount } = ranked;
  const order = scores.map((_, index) => index).sort((a, b) => (scores[b] ?? 0) - (scores[a] ?? 0));
  const best = order.slice(0, fields.top_n ?? order.length);
  if (field === 'texts') {
    const text = (index: number) => (fields.return_text ? { text: documents[index] } : {});
    await reply.send(best.map((index) => ({ index, score: scores[index], ...text(index) })));
    return;
  }
  const document = (index: number) => (fields.return_documents ? { document: { text: documents[index] } } : {});
  await reply.send({
    id: `rerank-${randomUUID().replaceAll('-', '')}`,
    object: 'list',
    model,
    usage: readUsage(tokenCount),
    results: best.map((index) => ({ index, relevance_score: scores[index], ...document(index) })),
  });
}

function documentFaults({ documents, texts }: RerankRequest) {
  const givenCount = Number(documents !== undefined) + Number(texts !== undefined);
  if (givenCount === 1) return [];
  const given = givenCount === 0 ? undefined : 'documents, texts';
  return [{ path: ['documents'], rule: 'must be given, or texts: exactly one of them', given }];
}
