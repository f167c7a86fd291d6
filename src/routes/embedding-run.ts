// What the endpoints that make vectors have in common: who may ask now, how long inputs may be, waiting for the engine.

import type { FastifyReply, FastifyRequest } from 'fastify';
import { assertNever } from '../assert.ts';
import type { EmbeddingCapacity } from '../embedding-port.ts';
import { type OctetErrorBody, octetError } from '../errors.ts';
import { shorterLimit } from '../time-limit.ts';
import { watchClient } from './client-watch.ts';
import type { RouteDependencies } from './dependencies.ts';
import { adapterOf, modelFault, notReady } from './endpoint.ts';
import { sendError } from './error-answer.ts';
import { givenText } from './faults.ts';
import type { EmbeddingEndpoint } from './metrics-port.ts';
import type { Checked } from './request-body.ts';

export interface EmbeddingExchange {
  readonly dependencies: RouteDependencies;
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
}

/** The fields that all of these endpoints read alike. */
export interface EmbeddingFields {
  readonly model?: string | null | undefined;
  /** Seconds. */
  readonly timeout?: number | null | undefined;
}

export interface EmbeddedTexts {
  readonly vectors: readonly Float32Array[];
  readonly tokenCount: number;
}

/** The model that is asked and what it makes of texts, or why there is none. */
export function embeddingModel(
  { model: named }: EmbeddingFields,
  dependencies: RouteDependencies,
): Checked<{ readonly model: string; readonly capacity: EmbeddingCapacity }> {
  const model = named ?? dependencies.model.ids[0];
  const unknownModel = modelFault(model, dependencies.model);
  if (unknownModel !== undefined) return { kind: 'refused', error: unknownModel };
  if (adapterOf(model, dependencies.model) !== undefined) {
    const why = 'vectors are made by the model alone, without adapters';
    return { kind: 'refused', error: octetError('invalid_request', `${why}. Given: ${givenText(model)}`, 'model') };
  }
  const capacity = dependencies.engine.capacity();
  if (capacity === undefined) return { kind: 'refused', error: notReady(dependencies) };
  const { embedding } = capacity;
  if (embedding?.kind === 'on') return { kind: 'valid', value: { model, capacity: embedding } };
  const why = embedding === undefined ? 'this engine makes none' : embedding.reason;
  return {
    kind: 'refused',
    error: octetError('invalid_request', `model ${givenText(model)} makes no vectors: ${why}`, 'model'),
  };
}

/** The fault of an input that is empty, or longer than the model reads. */
export function inputFault(
  tokens: Int32Array,
  path: string,
  { inputTokensMax }: EmbeddingCapacity,
): OctetErrorBody | undefined {
  if (tokens.length === 0) {
    return octetError('invalid_request', `${path} must make at least 1 token. Given: 0 tokens`, path);
  }
  if (tokens.length <= inputTokensMax) return undefined;
  const limit = `An input of this model may have at most ${inputTokensMax} tokens`;
  const advice = 'truncate_prompt_tokens cuts inputs, and --embedding-tokens sets the limit';
  return octetError(
    'context_length_exceeded',
    `${limit}. Given: ${path} with ${tokens.length} tokens; ${advice}`,
    path,
  );
}

/**
 * Waits for the vectors of `inputs`, in order. Undefined when there is nothing more to answer: the error was sent, or the
 * client left.
 */
export async function runEmbedding(
  { dependencies, request, reply }: EmbeddingExchange,
  inputs: readonly Int32Array[],
  { timeout, endpoint }: EmbeddingFields & { readonly endpoint: EmbeddingEndpoint },
): Promise<EmbeddedTexts | undefined> {
  const { engine, limits, metrics } = dependencies;
  const receivedMs = performance.now() - reply.elapsedTime;
  const gone = new AbortController();
  const stopClientWatch = watchClient(request.raw.socket, () => gone.abort());
  if (request.raw.socket.destroyed) gone.abort();
  const timeLimit = { ...shorterLimit(timeout, limits.requestMsMax), spentMs: performance.now() - receivedMs };
  const answer = await engine.embed({ inputs, timeLimit, signal: gone.signal });
  stopClientWatch();
  switch (answer.kind) {
    case 'embedded': {
      const tokenCount = inputs.reduce((sum, { length }) => sum + length, 0);
      const seconds = (performance.now() - receivedMs) / 1000;
      metrics.onEmbedded({ endpoint, inputCount: inputs.length, tokenCount, seconds });
      return { vectors: answer.vectors, tokenCount };
    }
    case 'failed':
      sendError(reply, answer.error, metrics);
      return undefined;
    case 'cancelled':
      metrics.onCancelled('client-gone');
      request.log.info({ reason: 'client-gone' }, 'cancelled');
      reply.hijack();
      return undefined;
    default:
      return assertNever(answer);
  }
}

/** OpenAI's usage of an answer without output. */
export function readUsage(tokenCount: number): object {
  return { prompt_tokens: tokenCount, total_tokens: tokenCount };
}
