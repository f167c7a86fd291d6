// The settings of the responses that POST /v1/responses keeps for later requests.
// Why bounded three ways: many small ones, few large ones and forgotten ones each fill memory in their own manner.

import { z } from 'zod';
import type { StoreLimits } from '../routes/responses/store.ts';
import { settingFacts } from './settings-facts.ts';
import { byteSize } from './settings-forms.ts';

export const responsesSettings = {
  responsesMax: z.int().min(0).max(1_048_576).prefault(1024).register(settingFacts, {
    group: 'Limits',
    unit: 'responses',
    meaning:
      'Responses kept for previous_response_id and GET /v1/responses; past it the least recently used goes. 0 keeps none.',
  }),
  responsesMemory: byteSize({ min: 1024, max: 1024 ** 4 })
    .prefault('64MiB')
    .register(settingFacts, {
      group: 'Limits',
      unit: 'bytes',
      meaning: 'Their size as JSON; what responses of one conversation share counts once.',
      limit: 'a size from 1KiB to 1TiB such as 64MiB',
    }),
  responsesSeconds: z.number().min(1).max(31_536_000).prefault(86_400).register(settingFacts, {
    group: 'Limits',
    unit: 'seconds',
    meaning: 'How long each of them is kept.',
  }),
};

const responsesSchema = z.object(responsesSettings);

/** The same as the store takes them. */
export function responseLimits(settings: z.infer<typeof responsesSchema>): StoreLimits {
  return {
    responsesMax: settings.responsesMax,
    bytesMax: settings.responsesMemory,
    ageMsMax: settings.responsesSeconds * 1000,
  };
}
