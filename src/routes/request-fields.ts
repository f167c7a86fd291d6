// The fields that chat and text completions share, with their ranges.
// Why a range on each: a value that the sampler or the scheduler cannot honour is refused at the door, by name.

import { z } from 'zod';
import { type TokenId, tokenId } from '../ids.ts';
import type { LogitBias, SamplingParams } from '../sampling-params.ts';
import { accountFields } from './account-fields.ts';
import { outputFields } from './output-field.ts';
import { limitFields } from './output-limits.ts';
import { boundedArray, surrogateRule, wireText } from './wire-text.ts';

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

const stopField = z
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

const logitBiasField = z
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

/** Those of every endpoint; how the output's form is asked for differs. */
export const commonFields = {
  model: wireText.nullish(),
  temperature: number(0, 2),
  top_p: z.number().gt(0).max(1).nullish(),
  /** -1 means off, as in vLLM. */
  top_k: z.int().min(-1).nullish(),
  min_p: number(0, 1),
  typical_p: z.number().gt(0).max(1).nullish(),
  repetition_penalty: z.number().gt(0).max(10).nullish(),
  presence_penalty: number(-2, 2),
  frequency_penalty: number(-2, 2),
  logit_bias: logitBiasField,
  max_tokens: z.int().min(1).nullish(),
  n: z.int().min(1).max(choiceCountMax).nullish(),
  seed: z.int().nullish(),
  stop: stopField,
  stop_token_ids: boundedArray(tokenIdField, { min: 0, max: logitBiasCountMax }).nullish(),
  ignore_eos: z.boolean().nullish(),
  stream: z.boolean().nullish(),
  stream_options: z.object({ include_usage: z.boolean().nullish() }).nullish(),
  user: wireText.nullish(),
  priority: z.int().nullish(),
  /** Seconds. */
  timeout: z.number().gt(0).max(timeoutSecondsMax).nullish(),
  cache_salt: wireText.min(1).max(256).nullish(),
  prompt_logprobs: topCountField,
  return_tokens_as_token_ids: z.boolean().nullish(),
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
