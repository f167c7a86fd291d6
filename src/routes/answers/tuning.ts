// The answer of GET /v1/octet/tuning.

import { z } from 'zod';

export const tuningAnswer = z
  .strictObject({
    object: z.literal('octet.tuning'),
    model: z.string(),
    tuned: z.boolean().describe('Whether the server was started with --tuned.'),
    at: z.string().optional().describe('When the values were found: ISO 8601.'),
    settings: z
      .record(z.string(), z.union([z.string(), z.number()]))
      .optional()
      .describe('Settings that were taken from the result; empty where the defaults were found to be best.'),
    overridden: z.array(z.string()).optional().describe('Settings of the result that were set otherwise.'),
    loads: z
      .array(
        z.strictObject({
          name: z.string().describe('decode-8: a step of eight rows; prompt: reading prompts.'),
          default_ms: z.number().describe('Milliseconds a step, or a token of a prompt, under the defaults.'),
          ratio: z.number().nullable().describe('Of the tuned cost to that; null where the defaults are best.'),
        }),
      )
      .optional(),
  })
  .meta({ id: 'Tuning' });
