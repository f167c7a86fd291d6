// What answers the routes of the Responses API.

import { randomUUID } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { ChatParts } from '../chat-part.ts';
import { keyNameOf } from '../credentials.ts';
import type { RouteDependencies } from '../dependencies.ts';
import { serveEndpoint } from '../endpoint.ts';
import { sendChecked } from '../error-answer.ts';
import type { Checked } from '../request-body.ts';
import { paramOf } from '../route-path.ts';
import type { TokenTexts } from '../token-text.ts';
import { countInputTokens } from './input-tokens.ts';
import { cancelResponse, deleteResponse, listInputItems, retrieveResponse } from './kept-responses.ts';
import type { StoreView } from './resolve-input.ts';
import { createResponsesEndpoint } from './responses-endpoint.ts';

/** A key's responses are nobody else's; without keys everybody is one. */
export function responseAnswers(dependencies: RouteDependencies, texts: TokenTexts, chatParts: ChatParts) {
  const { keyRing, metrics, model, responses: store } = dependencies;
  const endpoint = createResponsesEndpoint(dependencies, chatParts);
  // A request without a name is alone: what is kept must never be told to another by mistake.
  const ownerOf = ({ headers }: FastifyRequest): string =>
    keyRing === undefined ? '' : (keyNameOf(headers, keyRing) ?? randomUUID());
  const kept = (read: (id: string, view: StoreView, query: unknown) => Checked<object>) => {
    return (request: FastifyRequest, reply: FastifyReply) => {
      const view = { store, owner: ownerOf(request), nowMs: performance.now() };
      return sendChecked(reply, read(paramOf(request.params, 'id'), view, request.query), metrics);
    };
  };
  return {
    'POST /v1/responses': (request: FastifyRequest, reply: FastifyReply) =>
      serveEndpoint({ dependencies, texts, request, reply }, endpoint(ownerOf(request))),
    'POST /v1/responses/input_tokens': async (request: FastifyRequest, reply: FastifyReply) =>
      sendChecked(reply, await countInputTokens(request.body, endpoint(ownerOf(request)), model), metrics),
    'GET /v1/responses/:id': kept(retrieveResponse),
    'DELETE /v1/responses/:id': kept(deleteResponse),
    'POST /v1/responses/:id/cancel': kept(cancelResponse),
    'GET /v1/responses/:id/input_items': kept(listInputItems),
  };
}
