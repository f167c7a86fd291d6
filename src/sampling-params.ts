// How tokens are drawn and scored: what a request asks for, as both processes and the kernels read it.

import type { TokenId } from './ids.ts';

/**
 * How the next token is drawn. A draw is a pure function of (logits, these parameters, the tokens so far, seed,
 * position): no hidden generator state, so that preempting, parking, restarting or batching never changes it.
 */
export interface SamplingParams {
  /** 0 means greedy: the most likely token, the lowest id among equals. */
  readonly temperature: number;
  /** Keep the k most likely tokens; 0 keeps all. */
  readonly topK: number;
  /** Keep the smallest set whose probability reaches this; 1 keeps all. */
  readonly topP: number;
  /** Drop tokens less likely than this share of the most likely one; 0 drops none. */
  readonly minP: number;
  /** Locally typical sampling's mass; 1 keeps all. */
  readonly typicalP: number;
  /** Divides (or multiplies, if negative) the logit of every token of prompt and output; 1 changes nothing. */
  readonly repetitionPenalty: number;
  /** Subtracted once from the logit of every token generated so far. */
  readonly presencePenalty: number;
  /** Subtracted per occurrence from the logit of every token generated so far. */
  readonly frequencyPenalty: number;
  /** Added to the logits of these tokens, before everything else. */
  readonly logitBias: readonly LogitBias[];
  /** Only these may be drawn; undefined allows all. */
  readonly allowedTokens?: readonly TokenId[] | undefined;
  /** Runs of output tokens that must not be completed; each has at least one. */
  readonly bannedRuns?: readonly (readonly TokenId[])[] | undefined;
}

export interface LogitBias {
  readonly token: TokenId;
  readonly bias: number;
}

/** The most likely token, nothing added or kept back. */
export const greedySampling: SamplingParams = {
  temperature: 0,
  topK: 0,
  topP: 1,
  minP: 0,
  typicalP: 1,
  repetitionPenalty: 1,
  presencePenalty: 0,
  frequencyPenalty: 0,
  logitBias: [],
};

/** Which log-probabilities a request wants. */
export interface LogprobsWish {
  /** Most likely tokens to list beside each output token; undefined reports nothing of the output. */
  readonly outputTopCount: number | undefined;
  /** The same for each prompt token but the first; such a prompt is computed whole, whatever of it is cached. */
  readonly promptTopCount: number | undefined;
  /** Log-probabilities of the prompt that the client has already, after an engine restart. */
  readonly promptScoredCount: number;
}

/**
 * How likely a token was where it stands: natural logarithms of the softmax over the model's own logits, before bias,
 * penalties, temperature and any other sampling parameter.
 */
export interface TokenLogprobs {
  readonly logprob: number;
  /** 1 for the most likely token. */
  readonly rank: number;
  /** The most likely tokens, best first, the lowest id first among equals. Shape (topCount,). */
  readonly topTokens: Int32Array;
  /** Shape (topCount,). */
  readonly topLogprobs: Float32Array;
}
