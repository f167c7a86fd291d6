// Every path, its methods and its function, on a Fastify instance.
// Why one table of paths: it serves the router, the 405 answers and the rule of which paths need a key.

import { randomUUID } from 'node:crypto';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { type OctetErrorBody, octetError } from '../errors.ts';
import { chatEndpoint } from './chat-completions.ts';
import { completionsEndpoint } from './completions.ts';
import { carriesKey, keyNameOf } from './credentials.ts';
import type { KeyRing, MetricsText, RouteDependencies, VersionFacts } from './dependencies.ts';
import type { EmbeddingExchange } from './embedding-run.ts';
import { serveEmbeddings } from './embeddings.ts';
import { modelFault, serveEndpoint } from './endpoint.ts';
import { sendError } from './error-answer.ts';
import { givenText } from './faults.ts';
import { readinessOf } from './health.ts';
import { createTokenCount, messagesEndpoint } from './messages/messages.ts';
import type { HttpMetrics } from './metrics-port.ts';
import { modelBody, modelListBody } from './models.ts';
import { precisionBody } from './precision.ts';
import type { Checked } from './request-body.ts';
import { serveRerank } from './rerank.ts';
import { countInputTokens } from './responses/input-tokens.ts';
import { cancelResponse, deleteResponse, listInputItems, retrieveResponse } from './responses/kept-responses.ts';
import type { StoreView } from './responses/resolve-input.ts';
import { createResponsesEndpoint } from './responses/responses-endpoint.ts';
import { serveScore } from './score.ts';
import { createTokenTexts, type TokenTexts } from './token-text.ts';
import { applyTemplateBody, detokenizeBody, tokenizeBody } from './tokenize.ts';

export interface RouteSettings {
  readonly dependencies: RouteDependencies;
  readonly version: VersionFacts;
  readonly metricsText: MetricsText;
}

type Answer = (request: FastifyRequest, reply: FastifyReply) => unknown;

interface Path {
  /** May end in `/*`, or have a segment `:id`. */
  readonly url: string;
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** Answered without an API key: probes and scrapers carry none. */
  readonly isOpen: boolean;
  readonly answer: Answer;
}

/** Adds all routes. What can be refused by its head alone is refused before the body is read. */
export function registerRoutes(app: FastifyInstance, settings: RouteSettings): void {
  const { keyRing, metrics } = settings.dependencies;
  const paths = [...openPaths(settings), ...apiPaths(settings.dependencies)];
  for (const { url, method, isOpen, answer } of paths) {
    app.route({
      url,
      method,
      handler: answer,
      onRequest: (request, reply, done) => {
        const error = (isOpen ? undefined : keyFault(request, keyRing)) ?? encodingFault(request);
        if (error === undefined) return done();
        if (error.code === 'invalid_api_key') reply.header('www-authenticate', 'Bearer');
        sendError(reply, error, metrics);
      },
    });
  }
  const refuseUnknown = (request: FastifyRequest, reply: FastifyReply): void => {
    const allow = allowedMethods(pathOf(request.url), paths);
    if (allow !== undefined) reply.header('allow', allow);
    sendError(reply, unknownFault(request, allow), metrics);
  };
  app.addHook('onRequest', (request, reply, done) => (request.is404 ? refuseUnknown(request, reply) : done()));
  app.setNotFoundHandler(refuseUnknown);
}

function openPaths({ dependencies, metricsText, version }: RouteSettings): Path[] {
  const get = (url: string, answer: Answer): Path => ({ url, method: 'GET', isOpen: true, answer });
  return [
    get('/health', () => ({ status: 'ok', engine: readinessOf(dependencies.engine.status()).body })),
    get('/livez', () => ({ status: 'ok' })),
    get('/readyz', (_, reply) => {
      const { isReady, body } = readinessOf(dependencies.engine.status());
      if (!isReady) reply.header('retry-after', '1');
      return reply.code(isReady ? 200 : 503).send(body);
    }),
    get('/version', () => version),
    get('/metrics', async (_, reply) => reply.type(metricsText.contentType).send(await metricsText.render())),
  ];
}

function apiPaths(dependencies: RouteDependencies): Path[] {
  const texts = createTokenTexts(dependencies.tokenizer);
  const chat = chatEndpoint(dependencies);
  const completions = completionsEndpoint(dependencies);
  const messages = messagesEndpoint(dependencies);
  const countTokens = createTokenCount(dependencies);
  const { metrics, model } = dependencies;
  const post = (url: string, answer: Answer): Path => ({ url, method: 'POST', isOpen: false, answer });
  const get = (url: string, answer: Answer): Path => ({ url, method: 'GET', isOpen: false, answer });
  const answerBody = (reply: FastifyReply, body: Checked<object>): FastifyReply => sendChecked(reply, body, metrics);
  /** Of a function that answers by itself. */
  const answered =
    <Form>(serve: (exchange: EmbeddingExchange, form: Form) => Promise<void>, form: Form): Answer =>
    async (request, reply) => {
      await serve({ dependencies, request, reply }, form);
      return reply;
    };
  return [
    post('/v1/chat/completions', (request, reply) => serveEndpoint({ dependencies, texts, request, reply }, chat)),
    post('/v1/completions', (request, reply) => serveEndpoint({ dependencies, texts, request, reply }, completions)),
    post('/v1/messages', (request, reply) => serveEndpoint({ dependencies, texts, request, reply }, messages)),
    post('/v1/messages/count_tokens', async ({ body }, reply) => answerBody(reply, await countTokens(body))),
    post('/tokenize', async ({ body }, reply) => answerBody(reply, await tokenizeBody(body, dependencies))),
    post('/detokenize', ({ body }, reply) => answerBody(reply, detokenizeBody(body, dependencies))),
    post('/apply-template', async ({ body }, reply) => answerBody(reply, await applyTemplateBody(body, dependencies))),
    post('/v1/embeddings', answered(serveEmbeddings, 'openai')),
    ...['/embedding', '/embeddings'].map((url) => post(url, answered(serveEmbeddings, 'llama-server'))),
    ...['/v1/rerank', '/v2/rerank', '/rerank', '/v1/reranking', '/reranking'].map((url) =>
      post(url, answered(serveRerank, undefined)),
    ),
    ...['/v1/score', '/score'].map((url) => post(url, answered(serveScore, undefined))),
    get('/v1/octet/precision', () => precisionBody(model.ids[0], dependencies.precision())),
    get('/v1/models', () => modelListBody(model)),
    get('/v1/models/*', (request, reply) => {
      const id = paramOf(request.params, '*');
      const fault = modelFault(id, model);
      return fault === undefined ? modelBody(id, model) : sendError(reply, fault, metrics);
    }),
    ...responsePaths(dependencies, texts),
  ];
}

/** A key's responses are nobody else's; without keys everybody is one. */
function responsePaths(dependencies: RouteDependencies, texts: TokenTexts): Path[] {
  const { keyRing, metrics, model, responses: store } = dependencies;
  const endpoint = createResponsesEndpoint(dependencies);
  // A request without a name is alone: what is kept must never be told to another by mistake.
  const ownerOf = ({ headers }: FastifyRequest): string =>
    keyRing === undefined ? '' : (keyNameOf(headers, keyRing) ?? randomUUID());
  const kept = (read: (id: string, view: StoreView, query: unknown) => Checked<object>): Answer => {
    return (request, reply) => {
      const view = { store, owner: ownerOf(request), nowMs: performance.now() };
      return sendChecked(reply, read(paramOf(request.params, 'id'), view, request.query), metrics);
    };
  };
  const at = (method: Path['method'], path: string, answer: Answer): Path => {
    return { url: `/v1/responses${path}`, method, isOpen: false, answer };
  };
  return [
    at('POST', '', (request, reply) =>
      serveEndpoint({ dependencies, texts, request, reply }, endpoint(ownerOf(request))),
    ),
    at('POST', '/input_tokens', async (request, reply) =>
      sendChecked(reply, await countInputTokens(request.body, endpoint(ownerOf(request)), model), metrics),
    ),
    at('GET', '/:id', kept(retrieveResponse)),
    at('DELETE', '/:id', kept(deleteResponse)),
    at('POST', '/:id/cancel', kept(cancelResponse)),
    at('GET', '/:id/input_items', kept(listInputItems)),
  ];
}

function sendChecked(reply: FastifyReply, body: Checked<object>, metrics: HttpMetrics): FastifyReply {
  if (body.kind === 'refused') sendError(reply, body.error, metrics);
  else reply.send(body.value);
  return reply;
}

/** What a part of a path stands for; that of `*` may contain slashes, as model ids do. */
function paramOf(params: unknown, name: '*' | 'id'): string {
  if (typeof params !== 'object' || params === null) return '';
  return String(Object.getOwnPropertyDescriptor(params, name)?.value ?? '');
}

function keyFault({ headers }: FastifyRequest, keyRing: KeyRing | undefined): OctetErrorBody | undefined {
  if (keyRing === undefined || keyNameOf(headers, keyRing) !== undefined) return undefined;
  const given = carriesKey(headers) ? 'the given one is not known' : 'none was given';
  const places = '"authorization: Bearer <key>" or "x-api-key: <key>"';
  const message = `This server requires an API key in the header ${places}; ${given}.`;
  return octetError('invalid_api_key', message);
}

function encodingFault({ headers }: FastifyRequest): OctetErrorBody | undefined {
  const encoding = headers['content-encoding'];
  if (encoding === undefined || encoding === 'identity') return undefined;
  return octetError('unsupported_media_type', `content-encoding must be identity. Given: ${givenText(encoding)}`);
}

function pathOf(url: string): string {
  const [path = ''] = url.split('?', 1);
  return path.length > 1 && path.endsWith('/') ? path.slice(0, -1) : path;
}

/** The methods of a known path, for the allow header. */
function allowedMethods(path: string, paths: readonly Path[]): string | undefined {
  const methods = paths
    .filter(({ url }) => isAt(path, url))
    .map(({ method }) => (method === 'GET' ? 'GET, HEAD' : method));
  return methods.length === 0 ? undefined : methods.join(', ');
}

function isAt(path: string, url: string): boolean {
  if (url.endsWith('/*')) return path.startsWith(url.slice(0, -1));
  const [given, known] = [path.split('/'), url.split('/')];
  return known.length === given.length && known.every((part, index) => part === given[index] || part.startsWith(':'));
}

function unknownFault({ method, url }: FastifyRequest, allow: string | undefined): OctetErrorBody {
  if (allow === undefined) return octetError('not_found', `No such path. Given: ${method} ${givenText(url)}`);
  return octetError('method_not_allowed', `method must be one of ${allow}. Given: ${method}`);
}
