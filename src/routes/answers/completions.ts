// The answers of POST /v1/completions: whole and in chunks, which differ in little.
// Source: OpenAI's CreateCompletionResponse.

import { z } from 'zod';
import { answerFields, count, promptLogprobs, stopReason, usage } from './common.ts';

const logprobs = z
  .strictObject({
    tokens: z.array(z.string()),
    token_logprobs: z.array(z.number().nullable()),
    top_logprobs: z.array(z.record(z.string(), z.number()).nullable()).nullable(),
    text_offset: z.array(count),
  })
  .meta({ id: 'CompletionLogprobs' });

const choiceFields = {
  index: count,
  text: z.string(),
  logprobs: logprobs.nullable(),
  stop_reason: stopReason,
};
const finishReason = z.enum(['stop', 'length']);
const headFields = { id: z.string().startsWith('cmpl-'), object: z.literal('text_completion'), ...answerFields };

export const completion = z
  .strictObject({
    ...headFields,
    choices: z
      .array(z.strictObject({ ...choiceFields, finish_reason: finishReason, prompt_logprobs: promptLogprobs }))
      .min(1)
      .describe('The `n` answers to the first prompt, then those to the next.'),
    usage,
  })
  .meta({ id: 'Completion' });

export const completionChunk = z
  .strictObject({
    ...headFields,
    choices: z
      .array(z.strictObject({ ...choiceFields, finish_reason: finishReason.nullable() }))
      .max(1)
      .describe('Empty in the chunk that tells the usage.'),
    usage: usage.nullable().exactOptional().describe('Where it was asked for: null, but for the last chunk.'),
  })
  .meta({ id: 'CompletionChunk' });
