// The answers of /v1/models. Source: OpenAI's Model and ListModelsResponse; `root` and `parent` are vLLM's.

import { z } from 'zod';
import { count } from './common.ts';

export const modelAnswer = z
  .strictObject({
    id: z.string().min(1),
    object: z.literal('model'),
    created: count.describe('Unix time in seconds.'),
    owned_by: z.string(),
    root: z.string().describe("An adapter's file, or the model that is served."),
    parent: z.string().nullable().describe('The model that an adapter belongs to.'),
  })
  .meta({ id: 'Model' });

export const modelListAnswer = z
  .strictObject({ object: z.literal('list'), data: z.array(modelAnswer).min(1) })
  .meta({ id: 'ModelList' });
