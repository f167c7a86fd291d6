// POST /v1/completions, described.

import { completion, completionChunk } from './answers/completions.ts';
import { completionsSchema } from './completions-schema.ts';
import { generationErrors, type RouteDescription, streamedAnswer } from './document/types.ts';

export const completionsDescription: RouteDescription = {
  summary: 'Go on with text or tokens',
  meaning: "OpenAI's older completions: one prompt or up to 1,024, as text or as token ids.",
  tag: 'Generation',
  needsKey: true,
  body: {
    schema: completionsSchema,
    examples: {
      text: { summary: 'One text', value: { prompt: 'Once upon a time there was a', max_tokens: 24 } },
      tokens: { summary: 'Token ids', value: { prompt: [5, 6, 7], max_tokens: 8 } },
      score: {
        summary: 'Only the log-probabilities of a text',
        value: { prompt: 'The capital of France is Paris.', echo: true, logprobs: 1, max_tokens: 0 },
      },
    },
  },
  answers: streamedAnswer('The answers.', { whole: completion, event: completionChunk }),
  errors: generationErrors,
};
