// What answers of several endpoints have in common: errors, usage, heads, prompt log-probabilities.
// Why written beside the code that makes the answers: these schemas are the API's document, and tests hold every answer against
// them, field by field; the server itself does not check what it sends.
// Source: OpenAI's Error and CompletionUsage; `prompt_logprobs` and `stop_reason` are vLLM's.

import { z } from 'zod';
import { type ErrorCode, type ErrorType, errorRules } from '../../errors.ts';

export const errorCodes = Object.keys(errorRules).filter((name): name is ErrorCode => name in errorRules);
const errorTypes: ErrorType[] = [...new Set(Object.values(errorRules).map(({ type }) => type))];

/** A count of something. */
export const count = z.int().min(0);

export const errorDetails = z.strictObject({
  message: z.string().min(1).describe('Every fault, each with its path, its limit and the given value.'),
  type: z.enum(errorTypes),
  param: z.string().nullable().describe('The field at fault, as a path.'),
  code: z.enum(errorCodes),
});

export const errorAnswer = z
  .strictObject({
    error: errorDetails,
  })
  .meta({ id: 'Error' });

export const usage = z
  .strictObject({
    prompt_tokens: count,
    completion_tokens: count,
    total_tokens: count,
    prompt_tokens_details: z.strictObject({ cached_tokens: count.describe('Found in the KV cache.') }),
    completion_tokens_details: z.strictObject({ reasoning_tokens: count }).exactOptional(),
  })
  .meta({ id: 'Usage' });

/** What whole answers and chunks have besides their choices. */
export const answerFields = {
  created: count.describe('Unix time in seconds.'),
  model: z.string(),
  system_fingerprint: z.string().describe('Changes when the numbers may change: model, precision, release.'),
  service_tier: z.literal('default').exactOptional().describe('Where the request named a tier.'),
};

/** How a choice ended, where something other than the model's own end token did. */
export const stopReason = z
  .union([z.string(), z.int()])
  .exactOptional()
  .describe('The stop text or stop token that ended the answer, or `repetition_detected`.');

/** By prompt token; the first has none. */
export const promptLogprobs = z
  .array(
    z
      .record(z.string(), z.strictObject({ logprob: z.number(), rank: z.int().min(1), decoded_token: z.string() }))
      .nullable(),
  )
  .exactOptional()
  .describe('For each prompt token null or an object by token id.');

const logprobFields = {
  token: z.string(),
  logprob: z.number(),
  bytes: z.array(z.int().min(0).max(255)),
};

/** By token of an answer, with its likeliest rivals. */
export const tokenLogprobs = z.array(
  z.strictObject({ ...logprobFields, top_logprobs: z.array(z.strictObject(logprobFields)).max(20) }),
);
