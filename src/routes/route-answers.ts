// What answers each described route.
// Why a map by name: it is held against the descriptions by the compiler, so that neither can be without the other.

import type { FastifyReply, FastifyRequest } from 'fastify';
import { chatEndpoint } from './chat-completions.ts';
import { createChatParts } from './chat-part.ts';
import { completionsEndpoint } from './completions.ts';
import type { MetricsText, RouteDependencies, VersionFacts } from './dependencies.ts';
import { createDocument } from './document/openapi.ts';
import { createReference } from './document/reference.ts';
import type { EmbeddingExchange } from './embedding-run.ts';
import { serveEmbeddings } from './embeddings.ts';
import { modelFault, serveEndpoint } from './endpoint.ts';
import { sendChecked, sendError } from './error-answer.ts';
import { readinessOf } from './health.ts';
import { countTokens, messagesEndpoint } from './messages/messages.ts';
import { modelBody, modelListBody } from './models.ts';
import { precisionBody } from './precision.ts';
import { serveRerank } from './rerank.ts';
import { responseAnswers } from './responses/response-answers.ts';
import { type DescribedRoute, servedRoutes } from './route-descriptions.ts';
import { paramOf, unknownFault } from './route-path.ts';
import { serveScore } from './score.ts';
import { createTokenTexts } from './token-text.ts';
import { applyTemplateBody, detokenizeBody, tokenizeBody } from './tokenize.ts';
import { tuningBody } from './tuning.ts';

export interface RouteSettings {
  readonly dependencies: RouteDependencies;
  readonly version: VersionFacts;
  readonly metricsText: MetricsText;
  /** Whether the API's document and its reference are served. */
  readonly offersReference: boolean;
}

export type Answer = (request: FastifyRequest, reply: FastifyReply) => unknown;

/** One for every description, and none without. */
export type Answers = Readonly<Record<DescribedRoute, Answer>>;

export function routeAnswers(settings: RouteSettings): Answers {
  return {
    ...operationAnswers(settings),
    ...generationAnswers(settings.dependencies),
    ...vectorAnswers(settings.dependencies),
    ...tokenAnswers(settings.dependencies),
    ...modelAnswers(settings.dependencies),
    ...referenceAnswers(settings),
  };
}

function operationAnswers({ dependencies, metricsText, version }: RouteSettings) {
  return {
    'GET /health': () => ({ status: 'ok', engine: readinessOf(dependencies.engine.status()).body }),
    'GET /livez': () => ({ status: 'ok' }),
    'GET /readyz': (_, reply) => {
      const { isReady, body } = readinessOf(dependencies.engine.status());
      if (!isReady) reply.header('retry-after', '1');
      return reply.code(isReady ? 200 : 503).send(body);
    },
    'GET /version': () => version,
    'GET /metrics': async (_, reply) => reply.type(metricsText.contentType).send(await metricsText.render()),
  } satisfies Partial<Answers>;
}

function generationAnswers(dependencies: RouteDependencies) {
  const { metrics, model } = dependencies;
  const texts = createTokenTexts(dependencies.tokenizer);
  const chatParts = createChatParts(dependencies);
  const chat = chatEndpoint(dependencies, chatParts);
  const completions = completionsEndpoint(dependencies);
  const messages = messagesEndpoint(dependencies, chatParts);
  return {
    'POST /v1/chat/completions': (request, reply) => serveEndpoint({ dependencies, texts, request, reply }, chat),
    'POST /v1/completions': (request, reply) => serveEndpoint({ dependencies, texts, request, reply }, completions),
    'POST /v1/messages': (request, reply) => serveEndpoint({ dependencies, texts, request, reply }, messages),
    'POST /v1/messages/count_tokens': async ({ body }, reply) =>
      sendChecked(reply, await countTokens(body, messages, model), metrics),
    ...responseAnswers(dependencies, texts, chatParts),
  } satisfies Partial<Answers>;
}

function vectorAnswers(dependencies: RouteDependencies) {
  const answered =
    <Form>(serve: (exchange: EmbeddingExchange, form: Form) => Promise<void>, form: Form): Answer =>
    async (request, reply) => {
      await serve({ dependencies, request, reply }, form);
      return reply;
    };
  const llamaEmbeddings = answered(serveEmbeddings, 'llama-server');
  const rerank = answered(serveRerank, undefined);
  const score = answered(serveScore, undefined);
  return {
    'POST /v1/embeddings': answered(serveEmbeddings, 'openai'),
    'POST /embedding': llamaEmbeddings,
    'POST /embeddings': llamaEmbeddings,
    'POST /v1/rerank': rerank,
    'POST /v2/rerank': rerank,
    'POST /rerank': rerank,
    'POST /v1/reranking': rerank,
    'POST /reranking': rerank,
    'POST /v1/score': score,
    'POST /score': score,
  } satisfies Partial<Answers>;
}

function tokenAnswers(dependencies: RouteDependencies) {
  const { metrics } = dependencies;
  return {
    'POST /tokenize': async ({ body }, reply) => sendChecked(reply, await tokenizeBody(body, dependencies), metrics),
    'POST /detokenize': ({ body }, reply) => sendChecked(reply, detokenizeBody(body, dependencies), metrics),
    'POST /apply-template': async ({ body }, reply) =>
      sendChecked(reply, await applyTemplateBody(body, dependencies), metrics),
  } satisfies Partial<Answers>;
}

function modelAnswers(dependencies: RouteDependencies) {
  const { metrics, model } = dependencies;
  return {
    'GET /v1/octet/precision': () => precisionBody(model.ids[0], dependencies.precision()),
    'GET /v1/octet/tuning': () => tuningBody(model.ids[0], dependencies.tuning),
    'GET /v1/models': () => modelListBody(model),
    'GET /v1/models/*': (request, reply) => {
      const id = paramOf(request.params, '*');
      const fault = modelFault(id, model);
      return fault === undefined ? modelBody(id, model) : sendError(reply, fault, metrics);
    },
  } satisfies Partial<Answers>;
}

function referenceAnswers({ dependencies, version, offersReference }: RouteSettings) {
  const { keyRing, metrics, model } = dependencies;
  const reference = createReference(() =>
    createDocument(Object.fromEntries(servedRoutes(offersReference)), {
      version: version['octet'] ?? '',
      model: model.ids[0],
      asksForKeys: keyRing !== undefined,
    }),
  );
  return {
    'GET /openapi.json': reference.document,
    'GET /docs': reference.start,
    'GET /docs/*': async (request, reply) => {
      const name = paramOf(request.params, '*');
      if (name === '') return reference.start(request, reply);
      return (
        (await reference.file(name, request, reply)) ?? sendError(reply, unknownFault(request, undefined), metrics)
      );
    },
  } satisfies Partial<Answers>;
}
