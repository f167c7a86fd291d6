// GET /v1/models, /v1/models/{id}, /v1/octet/precision and /v1/octet/tuning, described.

import { z } from 'zod';
import { modelAnswer, modelListAnswer } from './answers/models.ts';
import { precisionAnswer } from './answers/precision.ts';
import { tuningAnswer } from './answers/tuning.ts';
import { jsonAnswer, type RouteDescription } from './document/types.ts';

const models = { tag: 'Models', needsKey: true, errors: ['invalid_api_key', 'internal_error'] } as const;

export const modelListDescription: RouteDescription = {
  ...models,
  summary: 'List what is served',
  answers: jsonAnswer('Every id that a request may name.', modelListAnswer),
};

export const modelDescription: RouteDescription = {
  ...models,
  summary: 'One of the models',
  parameters: [{ name: 'id', meaning: 'An id of the list. It may hold slashes.', schema: z.string().min(1) }],
  answers: jsonAnswer('The model.', modelAnswer),
  errors: [...models.errors, 'invalid_request', 'model_not_found'],
};

export const precisionDescription: RouteDescription = {
  ...models,
  summary: 'Number formats that are served, and what they lose',
  answers: jsonAnswer('Weights, KV types, and the canary against f16 KV.', precisionAnswer),
};

export const tuningDescription: RouteDescription = {
  ...models,
  summary: 'Tuned values that are in use',
  answers: jsonAnswer('What octet tune found for this model on this device, if it is used.', tuningAnswer),
};
