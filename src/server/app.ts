// The HTTP application: builds a Fastify instance with everything on it, and never listens.
// Why apart from listening: tests inject requests into the same application that serves.

import type { Socket } from 'node:net';
import cors from '@fastify/cors';
import Fastify, {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  LogController,
} from 'fastify';
import { octetError } from '../errors.ts';
import { answerClientError, type ParserError } from '../routes/client-error.ts';
import type { HttpLimits, MetricsText, RouteDependencies, VersionFacts } from '../routes/dependencies.ts';
import { sendError, sendThrown } from '../routes/error-answer.ts';
import { parseJsonBody } from '../routes/json-body.ts';
import type { HttpMetrics } from '../routes/metrics-port.ts';
import { registerRoutes } from '../routes/register-routes.ts';
import { requestIdHeaders, requestIdOf } from '../routes/request-id.ts';
import { createResponseStore, type ResponseStore, type StoreLimits } from '../routes/responses/store.ts';
import { createStreamWatch, type StreamWatchOptions } from '../routes/stream-watch.ts';
import { watchConnections } from './connections.ts';

export interface AppDependencies extends Omit<RouteDependencies, 'streamWatch' | 'responses'> {
  readonly streams: StreamWatchOptions;
  readonly responses: StoreLimits;
  /** Origins that browsers may call from; `*` means any, an empty list turns CORS off. */
  readonly corsOrigins: readonly string[];
  readonly version: VersionFacts;
  readonly metricsText: MetricsText;
  /** Whether /docs and /openapi.json are served. */
  readonly offersReference: boolean;
  /** Undefined means no log. */
  readonly logger: FastifyBaseLogger | undefined;
}

const headerBytesMax = 16_384;
/** Longer than the usual 60 s of load balancers, so that they close idle connections first. */
const keepAliveMs = 75_000;

/** How often Node looks for requests that are not sent in time. */
const checkingMs = 10_000;
/** How often responses that are too old are dropped, where no request does. */
const expiringMs = 60_000;

/** Builds the application. `close` it to stop its timers; open streams are the caller's to end first. */
export async function buildApp(dependencies: AppDependencies): Promise<FastifyInstance> {
  const { limits, logger, metrics, metricsText, offersReference, version } = dependencies;
  const app: FastifyInstance = Fastify({
    ...(logger === undefined ? { logger: false } : { loggerInstance: logger }),
    ...serverOptions(limits, metrics),
  });
  const connections = watchConnections(app.server);
  app.addHook('preClose', (done) => {
    connections.closeWhenIdle();
    done();
  });
  const streamWatch = createStreamWatch(dependencies.streams);
  app.addHook('onClose', (_, done) => {
    streamWatch.close();
    done();
  });
  const responses = createResponseStore(dependencies.responses);
  addExpiry(app, responses);
  addBodyParser(app);
  addHooks(app, dependencies);
  await addCors(app, dependencies.corsOrigins);
  registerRoutes(app, {
    dependencies: { ...dependencies, streamWatch, responses },
    version,
    metricsText,
    offersReference,
  });
  return app;
}

function addExpiry(app: FastifyInstance, responses: ResponseStore): void {
  const timer = setInterval(() => responses.expire(performance.now()), expiringMs).unref();
  app.addHook('onClose', (_, done) => {
    clearInterval(timer);
    done();
  });
}

function serverOptions(limits: HttpLimits, metrics: HttpMetrics) {
  return {
    bodyLimit: limits.bodyBytesMax,
    http: {
      maxHeaderSize: headerBytesMax,
      headersTimeout: limits.receiveMsMax,
      connectionsCheckingInterval: Math.min(checkingMs, Math.ceil(limits.receiveMsMax / 2)),
      // Refused by a hook instead: Node's own refusal has no body.
      requireHostHeader: false,
    },
    requestTimeout: limits.receiveMsMax,
    keepAliveTimeout: keepAliveMs,
    genReqId: requestIdOf,
    requestIdHeader: false as const,
    logController: new LogController({ disableRequestLogging: true }),
    // The engine says whether it takes requests; probes and metrics stay readable while draining.
    return503OnClosing: false,
    routerOptions: { maxParamLength: 1024, ignoreTrailingSlash: true },
    clientErrorHandler: (error: ParserError, socket: Socket) => answerClientError(error, socket, metrics),
    frameworkErrors: (error: Error, request: FastifyRequest, reply: FastifyReply) => {
      reply.headers(requestIdHeaders(request));
      sendThrown(error, reply, { limits, metrics });
    },
  };
}

function addBodyParser(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser<Buffer>('application/json', { parseAs: 'buffer' }, (_, body, done) => {
    try {
      done(null, parseJsonBody(body));
    } catch (error) {
      done(error instanceof Error ? error : new Error(String(error)));
    }
  });
}

function addHooks(app: FastifyInstance, { limits, metrics }: AppDependencies): void {
  app.addHook('onRequest', (request, reply, done) => {
    reply.headers(requestIdHeaders(request));
    const { headers, httpVersion } = request.raw;
    if (headers.host !== undefined || httpVersion === '1.0') done();
    else sendError(reply, octetError('invalid_request', 'The host header is missing.'), metrics);
  });
  // An unknown expectation may be ignored (RFC 9110, 10.1.1); Node's own refusal has no body.
  app.server.on('checkExpectation', (request, response) => app.server.emit('request', request, response));
  app.addHook('onResponse', (request, reply, done) => {
    const route = request.routeOptions.url ?? 'unknown';
    const { method } = request;
    const status = reply.raw.statusCode;
    metrics.onResponse({ route, method, status, seconds: reply.elapsedTime / 1000 });
    request.log.info({ method, route, status, ms: Math.round(reply.elapsedTime) }, 'answered');
    done();
  });
  app.setErrorHandler((thrown, _, reply) => sendThrown(thrown, reply, { limits, metrics }));
}

async function addCors(app: FastifyInstance, origins: readonly string[]): Promise<void> {
  if (origins.length === 0) return;
  await app.register(cors, {
    origin: origins.includes('*') ? '*' : [...origins],
    methods: ['GET', 'HEAD', 'POST', 'DELETE'],
    exposedHeaders: ['x-request-id', 'request-id', 'retry-after'],
    maxAge: 86_400,
  });
}
