// What /v1/rerank and /v1/score have in common: pairs of texts through the model's ranking head.
// Why each pair is refused by name where it is too long: which document to shorten is the client's to know.

import type { EmbeddingCapacity } from '../embedding-port.ts';
import { type OctetErrorBody, octetError } from '../errors.ts';
import { keptTokens } from './embedding-inputs.ts';
import { type EmbeddingExchange, embeddingModel, inputFault, runEmbedding } from './embedding-run.ts';
import { scoreOf } from './embedding-values.ts';
import { sendError } from './error-answer.ts';
import { givenText } from './faults.ts';
import type { EmbeddingEndpoint } from './metrics-port.ts';
import type { Checked } from './request-body.ts';
import type { RerankRequest, ScoreRequest } from './rerank-schema.ts';

export interface TextPair {
  readonly query: string;
  readonly document: string;
  /** The document's field, for faults: `documents.3`. */
  readonly path: string;
}

export interface RankedPairs {
  readonly model: string;
  /** In the order of the pairs. */
  readonly scores: readonly number[];
  readonly tokenCount: number;
}

export type RankingFields = (RerankRequest | ScoreRequest) & {
  readonly max_tokens_per_doc?: number | null | undefined;
};

/** Scores every pair. Undefined when there is nothing more to answer. */
export async function rankPairs(
  exchange: EmbeddingExchange,
  pairs: readonly TextPair[],
  { fields, endpoint }: { readonly fields: RankingFields; readonly endpoint: EmbeddingEndpoint },
): Promise<RankedPairs | undefined> {
  const { dependencies, reply, request } = exchange;
  const refuse = (error: OctetErrorBody): undefined => void sendError(reply, error, dependencies.metrics);
  const asked = embeddingModel(fields, dependencies);
  if (asked.kind === 'refused') return refuse(asked.error);
  const { model, capacity } = asked.value;
  if (capacity.pooling !== 'rank') return refuse(cannotRank(model, capacity));
  const inputs = await encodePairs(exchange, pairs, { fields, capacity });
  if (inputs.kind === 'refused') return refuse(inputs.error);
  if (dependencies.logPrompts) request.log.info({ body: request.body }, 'prompt');
  const embedded = await runEmbedding(exchange, inputs.value, { ...fields, endpoint });
  if (embedded === undefined) return undefined;
  const isRaw = fields.raw_scores === true || fields.use_activation === false;
  const options = { isProbability: capacity.ranksInProbabilities, isRaw };
  return {
    model,
    scores: embedded.vectors.map((outputs) => scoreOf(outputs, options)),
    tokenCount: embedded.tokenCount,
  };
}

function cannotRank(model: string, { pooling, poolingReason }: EmbeddingCapacity): OctetErrorBody {
  const has = `it makes vectors (pooling ${pooling}: ${poolingReason})`;
  const needed =
    'a model with a ranking head (a tensor cls.weight or cls.output.weight), served with --pooling auto or rank';
  return octetError(
    'invalid_request',
    `model ${givenText(model)} cannot rank: ${has}; this endpoint needs ${needed}`,
    'model',
  );
}

async function encodePairs(
  { dependencies }: EmbeddingExchange,
  pairs: readonly TextPair[],
  { fields, capacity }: { readonly fields: RankingFields; readonly capacity: EmbeddingCapacity },
): Promise<Checked<readonly Int32Array[]>> {
  const { embeddingEncoder } = dependencies;
  const limits = {
    pairTokensMax: keptTokens(fields, capacity),
    documentTokensMax: fields.max_tokens_per_doc ?? undefined,
  };
  const inputs: Int32Array[] = [];
  for (const { query, document, path } of pairs) {
    const tokens = await embeddingEncoder.encodePair(query, document, limits);
    const fault = inputFault(tokens, path, capacity);
    if (fault !== undefined) return { kind: 'refused', error: fault };
    inputs.push(tokens);
  }
  return { kind: 'valid', value: inputs };
}
