// Fields of OpenAI's API that name, group or bill requests there: checked as OpenAI does, and of no effect on the answer.
// Why checked at all: a client finds its mistakes here before it finds them there.

import { z } from 'zod';
import { readByHand, wireText } from './wire-text.ts';

const metadataCountMax = 16;
const metadataRule = `must be an object of at most ${metadataCountMax} strings of at most 512 characters, with keys of at most 64`;

const metadataShape = z.record(z.string().max(64), z.string().max(512)).nullable();
const metadataReading = z
  .unknown()
  .optional()
  .refine((value) => value === undefined || value === null || isMetadata(value), metadataRule);

function isMetadata(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const entries: readonly (readonly [string, unknown])[] = Object.entries(value);
  return (
    entries.length <= metadataCountMax &&
    entries.every(([key, text]) => key.length <= 64 && typeof text === 'string' && text.length <= 512)
  );
}

/** Shape to spread into an endpoint's own z.object. */
export const accountFields = {
  service_tier: z
    .enum(['auto', 'default', 'flex', 'scale', 'priority'])
    .nullish()
    .describe('There is one tier: the answer says `default`.'),
  metadata: readByHand(metadataReading, metadataShape).describe('At most 16 entries; checked, and not stored.'),
  store: z.boolean().nullish().describe('Accepted; nothing is stored.'),
  prompt_cache_key: wireText.max(512).nullish().describe('Accepted; prefixes are found by their tokens.'),
  safety_identifier: wireText.max(512).nullish().describe('Accepted; of no effect.'),
};
