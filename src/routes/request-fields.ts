// The fields that endpoints that generate share, with their ranges.
// Why a range on each: a value that the sampler or the scheduler cannot honour is refused at the door, by name.

import { z } from 'zod';
import { type TokenId, tokenId } from '../ids.ts';
import type { LogitBias, SamplingParams } from '../sampling-params.ts';
import { accountFields } from './account-fields.ts';
import { outputFields } from './output-field.ts';
import { limitFields } from './output-limits.ts';
import { boundedArray, readByHand, surrogateRule, wireText } from './wire-text.ts';

export const stopCountMax = 16;
export const stopLengthMax = 1024;
const logitBiasCountMax = 1024;
export const choiceCountMax = 128;
/** A day: longer than any sensible answer, short enough to be a bound. */
const timeoutSecondsMax = 86_400;

const number = (min: number, max: number) => z.number().min(min).max(max).nullish();
const tokenIdField = z.int().min(0);

/** Likely tokens listed beside each token. */
export const topCountField = z.int().min(0).max(20).nullish();

const stopRule = `must be a non-empty string or a list of at most ${stopCountMax}, each of 1 to ${stopLengthMax} characters`;

const stopText = z.string().min(1).max(stopLengthMax);
const stopShape = z.union([stopText, z.array(stopText).max(stopCountMax), z.null()]);
const stopReading = z
  .unknown()
  .optional()
  .transform((value, context): readonly string[] => {
    if (value === undefined || value === null) return [];
    const list: readonly unknown[] = Array.isArray(value) ? value : [value];
    if (list.length > stopCountMax) return fail(context, stopRule);
    const stops: string[] = [];
    for (const stop of list) {
      if (typeof stop !== 'string' || stop === '' || stop.length > stopLengthMax) return fail(context, stopRule);
      if (!stop.isWellFormed()) return fail(context, surrogateRule);
      stops.push(stop);
    }
    return stops;
  });

const logitBiasRule = `must be an object of at most ${logitBiasCountMax} token ids, each with a number from -100 to 100`;

const logitBiasShape = z.record(z.string().regex(/^\d{1,10}$/), z.number().min(-100).max(100)).nullable();
const logitBiasReading = z
  .unknown()
  .optional()
  .transform((value, context): readonly LogitBias[] => {
    if (value === undefined || value === null) return [];
    if (typeof value !== 'object' || Array.isArray(value)) return fail(context, logitBiasRule);
    const entries: readonly (readonly [string, unknown])[] = Object.entries(value);
    if (entries.length > logitBiasCountMax) return fail(context, logitBiasRule);
    return entries.map(([key, bias]) => logitBiasOf(key, bias, context));
  });

function logitBiasOf(key: string, bias: unknown, context: z.RefinementCtx): LogitBias {
  const id = /^\d{1,10}$/.test(key) ? Number(key) : undefined;
  const isBias = typeof bias === 'number' && bias >= -100 && bias <= 100;
  if (id === undefined || !isBias) {
    context.addIssue({ code: 'custom', message: 'must map a token id to a number from -100 to 100', path: [key] });
  }
  return { token: tokenId(id ?? 0), bias: isBias ? bias : 0 };
}

function fail(context: z.RefinementCtx, message: string): never[] {
  context.addIssue({ code: 'custom', message });
  return [];
}

/** Without those that ask for the output's form: responses have their own. */
export const commonFields = {
  model: wireText.nullish().describe('An id of /v1/models; the served model where it is left out.'),
  temperature: number(0, 2).describe('0 takes the most likely token. Default: 1.'),
  top_p: z.number().gt(0).max(1).nullish().describe('Keeps the likeliest tokens up to this share. Default: 1, off.'),
  top_k: z.int().min(-1).nullish().describe('Keeps so many of the likeliest tokens. Default: 0 or -1, off.'),
  min_p: number(0, 1).describe("Drops tokens below this share of the likeliest one's probability. Default: 0, off."),
  typical_p: z.number().gt(0).max(1).nullish().describe('Locally typical sampling. Default: 1, off.'),
  repetition_penalty: z.number().gt(0).max(10).nullish().describe('On prompt and output. Default: 1, off.'),
  presence_penalty: number(-2, 2).describe('Once for each token that the output has already. Default: 0.'),
  frequency_penalty: number(-2, 2).describe('For each time that the output has the token already. Default: 0.'),
  logit_bias: readByHand(logitBiasReading, logitBiasShape).describe(
    'Added to the logits of these token ids, before everything else; at most 1,024.',
  ),
  max_tokens: z.int().min(1).nullish().describe('Most output tokens.'),
  n: z
    .int()
    .min(1)
    .max(choiceCountMax)
    .nullish()
    .describe('Answers to each prompt, which is computed once. Default: 1.'),
  seed: z.int().nullish().describe('The same seed draws the same; choice i gets seed + i.'),
  stop: readByHand(stopReading, stopShape).describe('The answer ends before the first of these texts.'),
  stop_token_ids: boundedArray(tokenIdField, { min: 0, max: logitBiasCountMax })
    .nullish()
    .describe("Tokens that end an answer like the model's own end tokens."),
  ignore_eos: z.boolean().nullish().describe('Never draws an end-of-generation token.'),
  stream: z.boolean().nullish().describe('Answers with server-sent events, ended by `data: [DONE]`.'),
  stream_options: z
    .object({ include_usage: z.boolean().nullish().describe('A last chunk with the usage.') })
    .nullish()
    .describe('Only where `stream` is true.'),
  user: wireText.nullish().describe('Whose share the request counts against, where no API key tells.'),
  priority: z.int().nullish().describe('Lower runs first, under the policy `priority`.'),
  timeout: z.number().gt(0).max(timeoutSecondsMax).nullish().describe('Seconds after which the request fails.'),
  cache_salt: wireText.min(1).max(256).nullish().describe('Prefixes are shared only with requests of the same salt.'),
  prompt_logprobs: topCountField.describe(
    'Log-probabilities of the prompt, so many likely tokens each; not in streams.',
  ),
  return_tokens_as_token_ids: z.boolean().nullish().describe('Names tokens `token_id:123` in log-probabilities.'),
  ...limitFields,
  ...accountFields,
};

/** Shape to spread into an endpoint's own z.object. */
export const sharedFields = { ...outputFields, ...commonFields };

const sharedSchema = z.object(sharedFields);
export type SharedFields = z.output<typeof sharedSchema>;

/** OpenAI's defaults: temperature 1, everything else off. */
export function samplingOf(fields: SharedFields): SamplingParams {
  const topK = fields.top_k ?? 0;
  return {
    temperature: fields.temperature ?? 1,
    topK: topK === -1 ? 0 : topK,
    topP: fields.top_p ?? 1,
    minP: fields.min_p ?? 0,
    typicalP: fields.typical_p ?? 1,
    repetitionPenalty: fields.repetition_penalty ?? 1,
    presencePenalty: fields.presence_penalty ?? 0,
    frequencyPenalty: fields.frequency_penalty ?? 0,
    logitBias: fields.logit_bias,
    allowedTokens: fields.allowed_token_ids?.map(tokenId),
  };
}

/** The tokens that end a choice besides the model's own. */
export function stopTokenIdsOf(fields: SharedFields): readonly TokenId[] {
  return (fields.stop_token_ids ?? []).map(tokenId);
}
