// The answers of /tokenize, /detokenize and /apply-template. Sources: vLLM's and llama-server's endpoints of these names.

import { z } from 'zod';
import { count } from './common.ts';

export const tokenizeAnswer = z
  .strictObject({
    count,
    max_model_len: count.nullable().describe('Longest sequence; null while the model is loading.'),
    tokens: z.union([z.array(count), z.array(z.strictObject({ id: count, piece: z.string() }))]),
    token_strs: z.array(z.string()).exactOptional(),
  })
  .meta({ id: 'Tokens' });

export const detokenizeAnswer = z.strictObject({ prompt: z.string(), content: z.string() }).meta({ id: 'Text' });

export const applyTemplateAnswer = z.strictObject({ prompt: z.string() }).meta({ id: 'Prompt' });
