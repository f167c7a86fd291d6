// The answer of GET /v1/octet/precision.

import { z } from 'zod';
import { gateModes } from '../../precision-status.ts';
import { count } from './common.ts';

const kvPair = z.strictObject({ k: z.string(), v: z.string() }).meta({ id: 'KvTypes' });

const canaryFields = {
  reference: z.string(),
  tokens: count,
  tokens_planned: count,
  divergence: z
    .strictObject({
      mean: z.number(),
      standard_error: z.number(),
      median: z.number(),
      p99: z.number(),
      max: z.number(),
    })
    .describe('Kullback-Leibler divergence in nats.'),
  top_agreement: z.number().min(0).max(1),
  flips: z.strictObject({ gained: count, lost: count }),
  perplexity: z.number(),
  reference_perplexity: z.number(),
  seconds: z.number(),
};

export const precisionAnswer = z
  .strictObject({
    object: z.literal('octet.precision'),
    model: z.string(),
    weights: z.string(),
    kv: kvPair,
    kv_requested: kvPair,
    gate: z.strictObject({
      mode: z.enum(gateModes),
      verdict: z.enum(['pending', 'off', 'not-needed', 'passed', 'accepted', 'exceeded', 'unmeasured']),
      reason: z.string(),
      limits: z.strictObject({ divergence_max: z.number(), top_agreement_min: z.number() }),
    }),
    canary: z.strictObject({ ...canaryFields, cached: z.boolean() }).nullable(),
    climbed: z
      .array(z.strictObject({ kv: kvPair, reason: z.string(), canary: z.strictObject(canaryFields).nullable() }))
      .describe('KV types that were given up on the way, the first one first.'),
  })
  .meta({ id: 'Precision' });
