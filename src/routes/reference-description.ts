// GET /openapi.json and /docs, described.

import { z } from 'zod';
import type { RouteDescription } from './document/types.ts';

const reference = { tag: 'Operations', needsKey: false, errors: ['internal_error'] } as const;

export const documentDescription: RouteDescription = {
  ...reference,
  summary: 'This document',
  answers: {
    200: { meaning: 'OpenAPI 3.1.', bodies: [{ kind: 'json', schema: z.looseObject({ openapi: z.string() }) }] },
  },
};

export const referenceDescription: RouteDescription = {
  ...reference,
  summary: 'This document to read and try out',
  answers: { 200: { meaning: 'HTML.', bodies: [{ kind: 'text', mediaType: 'text/html' }] } },
};

export const referenceFileDescription: RouteDescription = {
  ...reference,
  summary: 'Scripts and styles of the reference',
  parameters: [{ name: 'file', meaning: 'The name of a file.', schema: z.string().min(1) }],
  answers: {
    200: {
      meaning: 'The file.',
      bodies: ['text/javascript', 'text/css', 'image/png'].map((mediaType) => ({ kind: 'text', mediaType })),
    },
  },
  errors: ['invalid_request', 'not_found', 'internal_error'],
};
