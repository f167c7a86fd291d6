// The answer of every described route, on a Fastify instance.
// Why one table of routes: it serves the router, the 405 answers, the rule of which paths need a key, and the API's document.

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { type OctetErrorBody, octetError } from '../errors.ts';
import { chatEndpoint } from './chat-completions.ts';
import { completionsEndpoint } from './completions.ts';
import type { KeyRing, MetricsText, RouteDependencies, VersionFacts } from './dependencies.ts';
import { createDocument } from './document/openapi.ts';
import { createReference } from './document/reference.ts';
import type { RouteDescription } from './document/types.ts';
import { modelFault, serveEndpoint } from './endpoint.ts';
import { sendError } from './error-answer.ts';
import { givenText } from './faults.ts';
import { readinessOf } from './health.ts';
import { modelBody, modelListBody } from './models.ts';
import { precisionBody } from './precision.ts';
import type { Checked } from './request-body.ts';
import { type DescribedRoute, referenceRoutes, routeDescriptions } from './route-descriptions.ts';
import { isAt } from './route-path.ts';
import { createTokenTexts } from './token-text.ts';
import { applyTemplateBody, detokenizeBody, tokenizeBody } from './tokenize.ts';

export interface RouteSettings {
  readonly dependencies: RouteDependencies;
  readonly version: VersionFacts;
  readonly metricsText: MetricsText;
  /** Whether the API's document and its reference are served. */
  readonly offersReference: boolean;
}

type Answer = (request: FastifyRequest, reply: FastifyReply) => unknown;

/** One for every description, and none without. */
type Answers = Readonly<Record<DescribedRoute, Answer>>;

interface Path {
  /** May end in `/*`, or have a segment `:id`. */
  readonly url: string;
  readonly method: string;
  readonly needsKey: boolean;
  readonly answer: Answer;
}

/** Adds all routes. What can be refused by its head alone is refused before the body is read. */
export function registerRoutes(app: FastifyInstance, settings: RouteSettings): void {
  const { keyRing, metrics } = settings.dependencies;
  const paths = pathsOf(settings);
  for (const { url, method, needsKey, answer } of paths) {
    app.route({
      url,
      method,
      handler: answer,
      onRequest: (request, reply, done) => {
        const error = (needsKey ? keyFault(request, keyRing) : undefined) ?? encodingFault(request);
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

function pathsOf(settings: RouteSettings): Path[] {
  const answers: Answers = {
    ...operationAnswers(settings),
    ...apiAnswers(settings.dependencies),
    ...referenceAnswers(settings),
  };
  return servedRoutes(settings).map(([name, { needsKey }]) => {
    const [method = '', url = ''] = name.split(' ');
    return { url, method, needsKey, answer: answers[name] };
  });
}

function servedRoutes({ offersReference }: RouteSettings) {
  const names = Object.keys(routeDescriptions).filter((name): name is DescribedRoute => name in routeDescriptions);
  return names
    .filter((name) => offersReference || !referenceRoutes.some((route) => route === name))
    .map((name): [DescribedRoute, RouteDescription] => [name, routeDescriptions[name]]);
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

function referenceAnswers(settings: RouteSettings) {
  const { keyRing, metrics, model } = settings.dependencies;
  const reference = createReference(() =>
    createDocument(Object.fromEntries(servedRoutes(settings)), {
      version: settings.version['octet'] ?? '',
      model: model.ids[0],
      asksForKeys: keyRing !== undefined,
    }),
  );
  return {
    'GET /openapi.json': reference.document,
    'GET /docs': reference.start,
    'GET /docs/*': async (request, reply) => {
      const name = wildcardOf(request.params);
      if (name === '') return reference.start(request, reply);
      return (
        (await reference.file(name, request, reply)) ?? sendError(reply, unknownFault(request, undefined), metrics)
      );
    },
  } satisfies Partial<Answers>;
}

function apiAnswers(dependencies: RouteDependencies) {
  const texts = createTokenTexts(dependencies.tokenizer);
  const chat = chatEndpoint(dependencies);
  const completions = completionsEndpoint(dependencies);
  const { metrics, model } = dependencies;
  const answerBody = (reply: FastifyReply, body: Checked<object>): FastifyReply => {
    if (body.kind === 'refused') sendError(reply, body.error, metrics);
    else reply.send(body.value);
    return reply;
  };
  return {
    'POST /v1/chat/completions': (request, reply) => serveEndpoint({ dependencies, texts, request, reply }, chat),
    'POST /v1/completions': (request, reply) => serveEndpoint({ dependencies, texts, request, reply }, completions),
    'POST /tokenize': async ({ body }, reply) => answerBody(reply, await tokenizeBody(body, dependencies)),
    'POST /detokenize': ({ body }, reply) => answerBody(reply, detokenizeBody(body, dependencies)),
    'POST /apply-template': async ({ body }, reply) => answerBody(reply, await applyTemplateBody(body, dependencies)),
    'GET /v1/octet/precision': () => precisionBody(model.ids[0], dependencies.precision()),
    'GET /v1/models': () => modelListBody(model),
    'GET /v1/models/*': (request, reply) => {
      const id = wildcardOf(request.params);
      const fault = modelFault(id, model);
      return fault === undefined ? modelBody(id, model) : sendError(reply, fault, metrics);
    },
  } satisfies Partial<Answers>;
}

/** What the `*` of a path stands for: model ids may contain slashes. */
function wildcardOf(params: unknown): string {
  if (typeof params !== 'object' || params === null || !('*' in params)) return '';
  return String(params['*']);
}

function keyFault({ headers }: FastifyRequest, keyRing: KeyRing | undefined): OctetErrorBody | undefined {
  if (keyRing === undefined || keyRing.identify(headers.authorization) !== undefined) return undefined;
  const given = headers.authorization === undefined ? 'none was given' : 'the given one is not known';
  const message = `This server requires an API key in the header "authorization: Bearer <key>"; ${given}.`;
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

function unknownFault({ method, url }: FastifyRequest, allow: string | undefined): OctetErrorBody {
  if (allow === undefined) return octetError('not_found', `No such path. Given: ${method} ${givenText(url)}`);
  return octetError('method_not_allowed', `method must be one of ${allow}. Given: ${method}`);
}
