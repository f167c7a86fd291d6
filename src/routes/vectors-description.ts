// The routes that make vectors and ranks, described.

import { embeddingList, nativeEmbeddingList, rankingAnswer, scoreList } from './answers/vectors.ts';
import { engineErrors, jsonAnswer, type RouteDescription } from './document/types.ts';
import { embeddingsSchema, nativeEmbeddingsFields } from './embeddings-schema.ts';
import { rerankSchema, scoreSchema } from './rerank-schema.ts';

const vectors = { tag: 'Vectors', needsKey: true, errors: engineErrors } as const;
const texts = ['Paris is in France.', 'Apples are red.'];

export const embeddingsDescription: RouteDescription = {
  ...vectors,
  summary: 'Vectors of texts',
  body: {
    schema: embeddingsSchema.meta({ id: 'EmbeddingRequest' }),
    examples: { texts: { summary: 'Two texts', value: { input: texts } } },
  },
  answers: jsonAnswer('A vector for each input.', embeddingList),
};

export const nativeEmbeddingsDescription: RouteDescription = {
  ...vectors,
  summary: "Vectors of texts, in llama-server's form",
  body: {
    schema: nativeEmbeddingsFields.meta({ id: 'NativeEmbeddingRequest' }),
    examples: { texts: { summary: 'Two texts', value: { content: texts } } },
  },
  answers: jsonAnswer('A vector for each input, or one for each token.', nativeEmbeddingList),
};

export const rerankDescription: RouteDescription = {
  ...vectors,
  summary: 'Documents in the order in which they answer a query',
  meaning: 'For models with a ranking head.',
  body: {
    schema: rerankSchema.meta({ id: 'RerankRequest' }),
    examples: { texts: { summary: 'Two documents', value: { query: 'Where is Paris?', documents: texts } } },
  },
  answers: jsonAnswer('The documents, best first.', rankingAnswer),
};

export const scoreDescription: RouteDescription = {
  ...vectors,
  summary: 'How well texts match, pair by pair',
  meaning: 'For models with a ranking head.',
  body: {
    schema: scoreSchema.meta({ id: 'ScoreRequest' }),
    examples: { texts: { summary: 'One text with each of two', value: { text_1: 'Where is Paris?', text_2: texts } } },
  },
  answers: jsonAnswer('A score for each pair.', scoreList),
};
