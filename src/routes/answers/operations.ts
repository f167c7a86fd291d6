// The answers of /health, /livez, /readyz and /version.

import { z } from 'zod';
import { count } from './common.ts';

export const readinessAnswer = z
  .discriminatedUnion('status', [
    z.strictObject({ status: z.literal('ready') }),
    z.strictObject({ status: z.literal('loading'), progress: z.number().min(0).max(1) }),
    z.strictObject({ status: z.literal('restarting'), attempt: count }),
    z.strictObject({ status: z.enum(['draining', 'stopped']) }),
  ])
  .meta({ id: 'Readiness' });

export const healthAnswer = z.strictObject({ status: z.literal('ok'), engine: readinessAnswer }).meta({ id: 'Health' });

export const liveAnswer = z.strictObject({ status: z.literal('ok') }).meta({ id: 'Live' });

export const versionAnswer = z
  .record(z.string(), z.string())
  .meta({ id: 'Version' })
  .describe('Plain names and values: the release, the kernels, the model, its weights.');
