// Every route by method and path: what the router, the API's document and the tests go by.
// Why names as keys: register-routes.ts has an answer for each of them, so that neither can be without the other.

import { chatDescription } from './chat-description.ts';
import { completionsDescription } from './completions-description.ts';
import type { RouteDescription, RouteName } from './document/types.ts';
import { modelDescription, modelListDescription, precisionDescription } from './models-description.ts';
import {
  healthDescription,
  liveDescription,
  metricsDescription,
  readyDescription,
  versionDescription,
} from './operations-description.ts';
import { documentDescription, referenceDescription, referenceFileDescription } from './reference-description.ts';
import { applyTemplateDescription, detokenizeDescription, tokenizeDescription } from './tokens-description.ts';

export const routeDescriptions = {
  'POST /v1/chat/completions': chatDescription,
  'POST /v1/completions': completionsDescription,
  'GET /v1/models': modelListDescription,
  'GET /v1/models/*': modelDescription,
  'GET /v1/octet/precision': precisionDescription,
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
