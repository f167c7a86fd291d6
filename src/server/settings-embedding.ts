// The settings of vectors: how they are made of tokens, and how long an input may be.

import { z } from 'zod';
import { poolings } from '../embedding-port.ts';
import { settingFacts } from './settings-facts.ts';

export const embeddingSettings = {
  pooling: z
    .enum(['auto', 'off', ...poolings])
    .prefault('auto')
    .register(settingFacts, {
      group: 'Embeddings',
      unit: '',
      meaning:
        "How the vectors of an input's tokens become one; auto takes what the file names, else mean. rank needs a ranking head and serves /v1/rerank and /v1/score instead; off makes none and reserves no memory.",
    }),
  embeddingTokens: z.int().min(0).max(16_777_216).prefault(0).register(settingFacts, {
    group: 'Embeddings',
    unit: 'tokens',
    meaning:
      'Longest input; 0 means the context, at most 8,192 tokens (2,048 for models that read an input in one piece, such as BERT), and less where vectors would take more than 5 % of the memory.',
  }),
};
