// POST /v1/embeddings, and llama-server's own form of it at /embedding and /embeddings.
// Why the answer is written in pieces: two thousand vectors are tens of megabytes of JSON, and streams of other clients must not
// wait until all of it is written.

import { Readable } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import type { EmbeddingCapacity } from '../embedding-port.ts';
import { type OctetErrorBody, octetError } from '../errors.ts';
import { tokenizeInputs } from './embedding-inputs.ts';
import { type EmbeddingExchange, embeddingModel, readUsage, runEmbedding } from './embedding-run.ts';
import { base64Of, euclidean, finishVector, type Norm, rowsOf } from './embedding-values.ts';
import {
  type EmbeddingsRequest,
  embeddingFieldFaults,
  embeddingsSchema,
  nativeEmbeddingsSchema,
} from './embeddings-schema.ts';
import { sendError } from './error-answer.ts';
import { faultsError, faultsOf } from './faults.ts';
import type { Checked } from './request-body.ts';

export type EmbeddingsForm = 'openai' | 'llama-server';

/** Answers one request, or says why not. */
export async function serveEmbeddings(exchange: EmbeddingExchange, form: EmbeddingsForm): Promise<void> {
  const { dependencies, reply, request } = exchange;
  const refuse = (error: OctetErrorBody): void => sendError(reply, error, dependencies.metrics);
  const checked = checkBody(request.body, form);
  if (checked.kind === 'refused') return refuse(checked.error);
  const fields = checked.value;
  const asked = embeddingModel(fields, dependencies);
  if (asked.kind === 'refused') return refuse(asked.error);
  const { model, capacity } = asked.value;
  const unfit = fitFault(fields, { capacity, form });
  if (unfit !== undefined) return refuse(unfit);
  const inputs = await tokenizeInputs(fields, dependencies, capacity);
  if (inputs.kind === 'refused') return refuse(inputs.error);
  if (dependencies.logPrompts) request.log.info({ body: request.body }, 'prompt');
  const embedded = await runEmbedding(exchange, inputs.value, { ...fields, endpoint: 'embeddings' });
  if (embedded === undefined) return;
  const finish = (vector: Float32Array) => finishVector(vector, normOf(fields), fields.dimensions ?? undefined);
  const isBase64 = fields.encoding_format === 'base64';
  const entry =
    form === 'openai'
      ? (vector: Float32Array, index: number) => openaiEntry(finish(vector), index, isBase64)
      : (vector: Float32Array, index: number) => nativeEntry(vector, index, { finish, capacity });
  const usage = readUsage(embedded.tokenCount);
  const [before, after] =
    form === 'openai'
      ? ['{"object":"list","data":[', `],"model":${JSON.stringify(model)},"usage":${JSON.stringify(usage)}}`]
      : ['[', ']'];
  const entries = pieces(embedded.vectors, { before, after, entry });
  await reply.type('application/json; charset=utf-8').send(Readable.from(entries));
}

function checkBody(body: unknown, form: EmbeddingsForm): Checked<EmbeddingsRequest> {
  const schema = form === 'openai' ? embeddingsSchema : nativeEmbeddingsSchema;
  const parsed = schema.safeParse(body);
  const faults = parsed.success ? embeddingFieldFaults(parsed.data) : faultsOf(parsed.error.issues, body);
  if (!parsed.success || faults.length > 0) return { kind: 'refused', error: faultsError(faults) };
  return { kind: 'valid', value: parsed.data };
}

/** What the loaded model cannot do of it. */
function fitFault(
  { dimensions }: EmbeddingsRequest,
  { capacity, form }: { readonly capacity: EmbeddingCapacity; readonly form: EmbeddingsForm },
): OctetErrorBody | undefined {
  const { pooling, poolingReason, dimensionCount } = capacity;
  if (pooling === 'rank') {
    const message = `this model ranks (pooling rank: ${poolingReason}); use /v1/rerank or /v1/score, or start it with --pooling mean, cls or last`;
    return octetError('invalid_request', message, 'model');
  }
  if (pooling === 'none' && form === 'openai') {
    const message =
      'with --pooling none each token has a vector, which this endpoint cannot tell; use /embedding, or start it with --pooling mean, cls or last';
    return octetError('invalid_request', message, 'model');
  }
  if (typeof dimensions !== 'number' || dimensions <= dimensionCount) return undefined;
  const rule = `must be <= ${dimensionCount}, the values that the model's vectors have`;
  return octetError('invalid_request', `dimensions ${rule}. Given: ${dimensions}`, 'dimensions');
}

function normOf({ normalize, embd_normalize: norm }: EmbeddingsRequest): Norm {
  return norm ?? (normalize === false ? -1 : euclidean);
}

function openaiEntry(vector: Float32Array, index: number, isBase64: boolean): object {
  return { object: 'embedding', index, embedding: isBase64 ? base64Of(vector) : Array.from(vector) };
}

interface NativeEntry {
  readonly finish: (vector: Float32Array) => Float32Array;
  readonly capacity: EmbeddingCapacity;
}

/** A list of vectors even where there is one; those of single tokens are as the model made them. */
function nativeEntry(values: Float32Array, index: number, { finish, capacity }: NativeEntry): object {
  const rows = capacity.pooling === 'none' ? rowsOf(values, capacity.dimensionCount) : [finish(values)];
  return { index, embedding: rows.map((row) => Array.from(row)) };
}

interface Writing {
  readonly before: string;
  readonly after: string;
  readonly entry: (vector: Float32Array, index: number) => object;
}

/** Values written before others get their turn: about two milliseconds' worth. */
const valuesInTurn = 8192;

async function* pieces(
  vectors: readonly Float32Array[],
  { before, after, entry }: Writing,
): AsyncGenerator<string, void, undefined> {
  let valueCount = 0;
  for (const [index, vector] of vectors.entries()) {
    yield (index === 0 ? before : ',') + JSON.stringify(entry(vector, index));
    valueCount += vector.length;
    if (valueCount < valuesInTurn) continue;
    valueCount = 0;
    await setImmediate();
  }
  yield after;
}
