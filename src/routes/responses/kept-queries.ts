// What the query of a kept response's routes may say.

import { z } from 'zod';

const listLengthMax = 100;

export const retrieveQuery = z.object({
  /** The events of a response are not kept. */
  stream: z.literal('false').optional(),
});

export const listQuery = z.object({
  limit: z.coerce.number().int().min(1).max(listLengthMax).default(20),
  order: z.enum(['asc', 'desc']).default('desc'),
  after: z.string().optional(),
});
