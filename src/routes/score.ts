// POST /v1/score: how well texts match, pair by pair. Source: the form of vLLM's score endpoint, by its older and newer names.

import { randomUUID } from 'node:crypto';
import { type EmbeddingExchange, readUsage } from './embedding-run.ts';
import { sendError } from './error-answer.ts';
import { type Fault, faultsError, faultsOf } from './faults.ts';
import { rankPairs, type TextPair } from './ranking.ts';
import { type ScoreRequest, scoreSchema } from './rerank-schema.ts';

/** Answers one request, or says why not. */
export async function serveScore(exchange: EmbeddingExchange): Promise<void> {
  const { dependencies, reply, request } = exchange;
  const parsed = scoreSchema.safeParse(request.body);
  const faults = parsed.success ? pairFaults(parsed.data) : faultsOf(parsed.error.issues, request.body);
  if (!parsed.success || faults.length > 0) return sendError(reply, faultsError(faults), dependencies.metrics);
  const ranked = await rankPairs(exchange, pairsOf(parsed.data), { fields: parsed.data, endpoint: 'score' });
  if (ranked === undefined) return;
  await reply.send({
    id: `score-${randomUUID().replaceAll('-', '')}`,
    object: 'list',
    created: Math.floor(Date.now() / 1000),
    model: ranked.model,
    data: ranked.scores.map((score, index) => ({ index, object: 'score', score })),
    usage: { ...readUsage(ranked.tokenCount), completion_tokens: 0 },
  });
}

function sidesOf({ text_1: first, text_2: second, queries, documents }: ScoreRequest) {
  return { left: first ?? queries, right: second ?? documents, isOlder: first !== undefined || second !== undefined };
}

function pairFaults(fields: ScoreRequest): Fault[] {
  const { left, right, isOlder } = sidesOf(fields);
  const isBoth = isOlder && (fields.queries !== undefined || fields.documents !== undefined);
  const [leftName, rightName] = isOlder ? ['text_1', 'text_2'] : ['queries', 'documents'];
  if (isBoth || left === undefined || right === undefined) {
    const rule = 'must be given with text_2, or queries with documents: exactly one of the two pairs';
    return [{ path: ['text_1'], rule, given: isBoth ? 'fields of both' : undefined }];
  }
  if (left.length === 1 || left.length === right.length) return [];
  const rule = `must have one entry, or as many as ${rightName} (${right.length})`;
  return [{ path: [leftName ?? ''], rule, given: left }];
}

/** One text with each of the others, or each with its own. */
function pairsOf(fields: ScoreRequest): TextPair[] {
  const { left = [], right = [], isOlder } = sidesOf(fields);
  const name = isOlder ? 'text_2' : 'documents';
  return right.map((document, index) => ({
    query: (left.length === 1 ? left[0] : left[index]) ?? '',
    document,
    path: right.length === 1 ? name : `${name}.${index}`,
  }));
}
