// From checked fields and tokenized prompts to a generation plan: defaults filled, lengths held against the context.

import { type OctetErrorBody, octetError } from '../errors.ts';
import type { TokenId } from '../ids.ts';
import type { SamplingParams } from '../sampling-params.ts';
import { shorterLimit } from '../time-limit.ts';
import type { AnswerReading } from './answer-reading.ts';
import { faultsError } from './faults.ts';
import type { GenerationPlan, PlannedPrompt } from './generation.ts';
import { outputGrammarOf } from './output-field.ts';
import { repetitionLimitOf } from './output-limits.ts';
import type { Report } from './report.ts';
import type { Checked } from './request-body.ts';
import { type SharedFields, samplingOf, stopTokenIdsOf } from './request-fields.ts';
import { randomSeed } from './seed.ts';

export interface PlanInput {
  readonly prompts: readonly Int32Array[];
  /** The field that holds the prompts, for errors. */
  readonly promptField: string;
  /** The client's own limit on output tokens, if it gave one. */
  readonly requestedTokensMax: number | undefined;
  /** Where the context has less left than was asked for, the output ends there; otherwise such a request is refused. */
  readonly isOutputCut?: boolean;
  /** Where it gave none; undefined means whatever the context has left. */
  readonly defaultTokensMax: number | undefined;
  /** Prompt and output together. */
  readonly contextTokensMax: number;
  /** The server's own limit on a request's time. */
  readonly requestMsMax: number;
  readonly fairnessKey: string;
  /** How answers are read for calls and reasoning; undefined where they are text alone. */
  readonly reading?: AnswerReading | undefined;
  /** What the output must match, where that is more than a field of the body says by itself. */
  readonly output?: GenerationPlan['output'] | undefined;
  /** Tokens that end a choice as the model's own end does. */
  readonly endTokenIds?: readonly TokenId[];
  /** Answers to choose from; undefined returns all. */
  readonly bestOf?: number | undefined;
  readonly report: Report;
  readonly bannedRuns: SamplingParams['bannedRuns'];
  /** Undefined: the model alone. */
  readonly adapter?: string | undefined;
}

/** Refuses prompts that are empty or leave no room for the output asked for. */
export function planGeneration(fields: SharedFields, input: PlanInput): Checked<GenerationPlan> {
  const prompts: PlannedPrompt[] = [];
  for (const [index, given] of input.prompts.entries()) {
    const tokens = truncated(given, fields.truncate_prompt_tokens, input);
    const param = input.prompts.length === 1 ? input.promptField : `${input.promptField}.${index}`;
    const error = lengthFault(tokens.length, param, input);
    if (error !== undefined) return { kind: 'refused', error };
    const roomTokens = input.contextTokensMax - tokens.length;
    const outputTokensMax = outputTokensMaxOf(input, roomTokens);
    const tooMany = minimumFault(fields.min_tokens ?? 0, outputTokensMax, input);
    if (tooMany !== undefined) return { kind: 'refused', error: tooMany };
    prompts.push({ tokens, outputTokensMax });
  }
  return {
    kind: 'valid',
    value: {
      prompts,
      choiceCount: input.bestOf ?? fields.n ?? 1,
      returnedCount: fields.n ?? 1,
      requestedTokensMax: input.requestedTokensMax,
      sampling: { ...samplingOf(fields), bannedRuns: input.bannedRuns },
      seed: fields.seed ?? randomSeed(),
      stops: fields.stop,
      keepsStop: fields.include_stop_str_in_output ?? false,
      stopTokenIds: stopTokenIdsOf(fields),
      endTokenIds: input.endTokenIds ?? [],
      reading: input.reading,
      ignoreEos: fields.ignore_eos ?? false,
      output: input.output ?? outputGrammarOf(fields),
      outputTokensMin: fields.min_tokens ?? 0,
      repetitionLimit: repetitionLimitOf(fields.repetition_detection),
      report: {
        ...input.report,
        promptTopCount: fields.prompt_logprobs ?? undefined,
        namesTokensById: fields.return_tokens_as_token_ids ?? false,
      },
      priority: fields.priority ?? 0,
      fairnessKey: input.fairnessKey,
      namespace: fields.cache_salt ?? '',
      adapter: input.adapter,
      timeLimit: shorterLimit(fields.timeout, input.requestMsMax),
    },
  };
}

function outputTokensMaxOf(input: PlanInput, roomTokens: number): number {
  const { requestedTokensMax: requested, defaultTokensMax: usual } = input;
  if (requested !== undefined && !input.isOutputCut) return requested;
  return Math.min(requested ?? usual ?? roomTokens, roomTokens);
}

/** The end of a prompt, where only that is wanted. */
function truncated(tokens: Int32Array, wanted: number | null | undefined, input: PlanInput): Int32Array {
  if (wanted === undefined || wanted === null) return tokens;
  const roomTokens = Math.max(input.contextTokensMax - (input.requestedTokensMax ?? 1), 1);
  return tokens.slice(-(wanted === -1 ? roomTokens : wanted));
}

/** A minimum above the most that there will be, which the request may not have given itself. */
function minimumFault(
  least: number,
  most: number,
  { requestedTokensMax, defaultTokensMax }: PlanInput,
): OctetErrorBody | undefined {
  if (least <= most) return undefined;
  const isDefault = requestedTokensMax === undefined && most === defaultTokensMax;
  const room = requestedTokensMax === undefined ? 'the room that the prompt leaves' : 'max_tokens';
  const limit = isDefault ? `${most}, which max_tokens is where it is not given` : `${most}, ${room}`;
  return faultsError([{ path: ['min_tokens'], rule: `must be <= ${limit}`, given: least }]);
}

function lengthFault(promptLength: number, param: string, input: PlanInput): OctetErrorBody | undefined {
  if (promptLength === 0) {
    return octetError('invalid_request', `${param} must make at least 1 token. Given: 0 tokens`, param);
  }
  // Reading a prompt alone draws a token too.
  const isAnyLength = input.requestedTokensMax === undefined || input.isOutputCut === true;
  const outputLength = isAnyLength ? 1 : Math.max(input.requestedTokensMax ?? 1, 1);
  if (promptLength + outputLength <= input.contextTokensMax) return undefined;
  const limit = `This model's maximum context length is ${input.contextTokensMax} tokens.`;
  const asked = isAnyLength
    ? `However, ${param} resulted in ${promptLength} tokens, which leaves no room for an answer.`
    : `However, you requested ${promptLength + outputLength} tokens (${promptLength} in ${param}, ${outputLength} for the answer).`;
  return octetError('context_length_exceeded', `${limit} ${asked}`, param);
}
