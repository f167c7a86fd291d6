// Every path, its methods and its function, on a Fastify instance.
// Why the table of paths: one list serves the router, the 405 answers and the rule of which paths need a key.

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { octetError } from '../errors.ts';
import { chatEndpoint } from './chat-completions.ts';
import { completionsEndpoint } from './completions.ts';
import type { MetricsText, RouteDependencies, VersionFacts } from './dependencies.ts';
import { modelFault, serveEndpoint } from './endpoint.ts';
import { sendError } from './error-answer.ts';
import { readinessOf } from './health.ts';
import { modelBody, modelListBody } from './models.ts';
import { createTokenTexts } from './token-text.ts';

export interface RouteSettings {
  readonly dependencies: RouteDependencies;
  readonly version: VersionFacts;
  readonly metricsText: MetricsText;
}

type Answer = (request: FastifyRequest, reply: FastifyReply) => unknown;

interface Path {
  readonly url: string;
  readonly method: 'GET' | 'POST';
  /** Answered without an API key: probes and scrapers carry none. */
  readonly isOpen: boolean;
  readonly answer: Answer;
}

/** Adds all routes; checks API keys on those that need one. */
export function registerRoutes(app: FastifyInstance, settings: RouteSettings): void {
  const { dependencies } = settings;
  for (const { url, method, isOpen, answer } of [...openPaths(settings), ...apiPaths(dependencies)]) {
    const onRequest = isOpen ? {} : { onRequest: keyCheck(dependencies) };
    app.route({ url, method, handler: answer, ...onRequest });
    const allow = method === 'GET' ? 'GET, HEAD' : 'POST';
    const others = app.supportedMethods.filter((other) => !allow.includes(other) && other !== 'OPTIONS');
    app.route({ url, method: others, handler: (request, reply) => refuseMethod(request, reply, allow) });
  }
  app.setNotFoundHandler((request, reply) => {
    const message = `No such path: ${request.method} ${request.url.slice(0, 100)}`;
    sendError(reply, octetError('not_found', message), dependencies.metrics);
  });

  function refuseMethod(request: FastifyRequest, reply: FastifyReply, allow: string): void {
    const error = octetError('method_not_allowed', `Method must be one of ${allow}. Given: ${request.method}`);
    reply.header('allow', allow);
    sendError(reply, error, dependencies.metrics);
  }
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
  const { model } = dependencies;
  return [
    post('/v1/chat/completions', (request, reply) => serveEndpoint({ dependencies, texts, request, reply }, chat)),
    post('/v1/completions', (request, reply) => serveEndpoint({ dependencies, texts, request, reply }, completions)),
    { url: '/v1/models', method: 'GET', isOpen: false, answer: () => modelListBody(model) },
    {
      url: '/v1/models/*',
      method: 'GET',
      isOpen: false,
      answer: (request, reply) => {
        const id = wildcardOf(request.params);
        const fault = modelFault(id, model);
        return fault === undefined ? modelBody(id, model) : sendError(reply, fault, dependencies.metrics);
      },
    },
  ];
}

function post(url: string, answer: Answer): Path {
  return { url, method: 'POST', isOpen: false, answer };
}

/** What the `*` of a path stands for: model ids may contain slashes. */
function wildcardOf(params: unknown): string {
  if (typeof params !== 'object' || params === null || !('*' in params)) return '';
  return String(params['*']);
}

function keyCheck({ keyRing, metrics }: RouteDependencies) {
  return (request: FastifyRequest, reply: FastifyReply, done: () => void): void => {
    if (keyRing === undefined || keyRing.identify(request.headers.authorization) !== undefined) {
      done();
      return;
    }
    const given = request.headers.authorization === undefined ? 'no key was given' : 'the given key is not known';
    const message = `This server requires an API key in the header "authorization: Bearer <key>": ${given}.`;
    reply.header('www-authenticate', 'Bearer');
    sendError(reply, octetError('invalid_api_key', message), metrics);
  };
}
