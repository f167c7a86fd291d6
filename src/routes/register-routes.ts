// Every described route on a Fastify instance, with its answer.
// Why one table of routes: it serves the router, the 405 answers, the rule of which paths need a key, and the API's document.

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { type OctetErrorBody, octetError } from '../errors.ts';
import { carriesKey, keyNameOf } from './credentials.ts';
import type { KeyRing } from './dependencies.ts';
import { sendError } from './error-answer.ts';
import { givenText } from './faults.ts';
import { type Answer, type RouteSettings, routeAnswers } from './route-answers.ts';
import { servedRoutes } from './route-descriptions.ts';
import { isAt, unknownFault } from './route-path.ts';

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
  const answers = routeAnswers(settings);
  return servedRoutes(settings.offersReference).map(([name, { needsKey }]) => {
    const [method = '', url = ''] = name.split(' ');
    return { url, method, needsKey, answer: answers[name] };
  });
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
