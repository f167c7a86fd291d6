// Every route by method and path: what the router, the API's document and the tests go by.
// Why names as keys: route-answers.ts has an answer for each of them, so that neither can be without the other.

import { chatDescription } from './chat-description.ts';
import { completionsDescription } from './completions-description.ts';
import type { RouteDescription, RouteName } from './document/types.ts';
import { countTokensDescription, messagesDescription } from './messages/messages-description.ts';
import {
  modelDescription,
  modelListDescription,
  precisionDescription,
  tuningDescription,
} from './models-description.ts';
import {
  healthDescription,
  liveDescription,
  metricsDescription,
  readyDescription,
  versionDescription,
} from './operations-description.ts';
import { documentDescription, referenceDescription, referenceFileDescription } from './reference-description.ts';
import {
  cancelResponseDescription,
  deleteResponseDescription,
  inputItemsDescription,
  inputTokensDescription,
  responsesDescription,
  retrieveResponseDescription,
} from './responses/responses-description.ts';
import { applyTemplateDescription, detokenizeDescription, tokenizeDescription } from './tokens-description.ts';
import {
  embeddingsDescription,
  nativeEmbeddingsDescription,
  rerankDescription,
  scoreDescription,
} from './vectors-description.ts';

export const routeDescriptions = {
  'POST /v1/chat/completions': chatDescription,
  'POST /v1/completions': completionsDescription,
  'POST /v1/messages': messagesDescription,
  'POST /v1/messages/count_tokens': countTokensDescription,
  'POST /v1/responses': responsesDescription,
  'POST /v1/responses/input_tokens': inputTokensDescription,
  'GET /v1/responses/:id': retrieveResponseDescription,
  'DELETE /v1/responses/:id': deleteResponseDescription,
  'POST /v1/responses/:id/cancel': cancelResponseDescription,
  'GET /v1/responses/:id/input_items': inputItemsDescription,
  'POST /v1/embeddings': embeddingsDescription,
  'POST /embedding': nativeEmbeddingsDescription,
  'POST /embeddings': nativeEmbeddingsDescription,
  'POST /v1/rerank': rerankDescription,
  'POST /v2/rerank': rerankDescription,
  'POST /rerank': rerankDescription,
  'POST /v1/reranking': rerankDescription,
  'POST /reranking': rerankDescription,
  'POST /v1/score': scoreDescription,
  'POST /score': scoreDescription,
  'GET /v1/models': modelListDescription,
  'GET /v1/models/*': modelDescription,
  'GET /v1/octet/precision': precisionDescription,
  'GET /v1/octet/tuning': tuningDescription,
  'POST /tokenize': tokenizeDescription,
  'POST /detokenize': detokenizeDescription,
  'POST /apply-template': applyTemplateDescription,
  'GET /health': healthDescription,
  'GET /livez': liveDescription,
  'GET /readyz': readyDescription,
  'GET /version': versionDescription,
  'GET /metrics': metricsDescription,
  'GET /openapi.json': documentDescription,
  'GET /docs': referenceDescription,
  'GET /docs/*': referenceFileDescription,
} satisfies Record<RouteName, RouteDescription>;

export type DescribedRoute = keyof typeof routeDescriptions;

/** Those that a setting switches off. */
export const referenceRoutes = ['GET /openapi.json', 'GET /docs', 'GET /docs/*'] as const satisfies DescribedRoute[];

/** By name, in the order of the document. */
export function servedRoutes(offersReference: boolean): (readonly [DescribedRoute, RouteDescription])[] {
  const names = Object.keys(routeDescriptions).filter((name): name is DescribedRoute => name in routeDescriptions);
  return names
    .filter((name) => offersReference || !referenceRoutes.some((route) => route === name))
    .map((name) => [name, routeDescriptions[name]]);
}
