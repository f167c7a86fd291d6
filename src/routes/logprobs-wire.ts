// Log-probabilities as answers spell them: OpenAI's object for chat, its older one for completions, vLLM's for prompts.
// Source: OpenAI's ChatCompletionTokenLogprob and CreateCompletionResponse; vLLM's `prompt_logprobs`.

import { type TokenId, tokenId } from '../ids.ts';
import type { TokenLogprobs } from '../sampling-params.ts';
import type { TokenNames } from './token-names.ts';

/** OpenAI's number for what is as good as impossible: JSON has no infinity. */
const logprobMin = -9999;

function wireNumber(logprob: number): number {
  return Math.max(logprob, logprobMin);
}

/** A chat choice's `logprobs`: of its content alone. */
export function chatLogprobs(
  entries: readonly CompletionEntry[],
  names: TokenNames,
): { readonly content: readonly object[]; readonly refusal: null } {
  const entry = (token: TokenId, logprob: number) => ({
    token: names.name(token),
    logprob: wireNumber(logprob),
    bytes: names.bytes(token),
  });
  return {
    content: entries
      .filter(({ isEnding }) => isEnding !== true)
      .map(({ token, logprobs }) => ({
        ...entry(token, logprobs?.logprob ?? logprobMin),
        top_logprobs: topOf(logprobs).map(([top, logprob]) => entry(top, logprob)),
      })),
    refusal: null,
  };
}

/** One token of a completion's `logprobs`; the first of a prompt has none. */
export interface CompletionEntry {
  readonly token: TokenId;
  /** Characters of the choice's text before it. */
  readonly offset: number;
  readonly logprobs: TokenLogprobs | undefined;
  readonly isEnding?: boolean;
}

/**
 * A completion choice's `logprobs`, its end-of-generation token included: those who score a prompt by asking for one token
 * count on there being one. The drawn token is always among its `top_logprobs`, as OpenAI has it.
 */
export function completionLogprobs(entries: readonly CompletionEntry[], topCount: number, names: TokenNames): object {
  return {
    tokens: entries.map(({ token }) => names.name(token)),
    token_logprobs: entries.map(({ logprobs }) => (logprobs === undefined ? null : wireNumber(logprobs.logprob))),
    top_logprobs: topCount === 0 ? null : entries.map((entry) => topNames(entry, topCount, names)),
    text_offset: entries.map(({ offset }) => offset),
  };
}

function topNames(
  { token, logprobs }: CompletionEntry,
  topCount: number,
  names: TokenNames,
): Readonly<Record<string, number>> | null {
  if (logprobs === undefined) return null;
  const entries = topOf(logprobs)
    .slice(0, topCount)
    .map(([top, logprob]) => [names.name(top), wireNumber(logprob)] as const);
  return Object.fromEntries([...entries, [names.name(token), wireNumber(logprobs.logprob)]]);
}

/** vLLM's `prompt_logprobs`: for each prompt token an object by token id, null for the first. */
export function promptLogprobsList(
  prompt: Int32Array,
  scores: readonly TokenLogprobs[],
  { topCount, names }: { readonly topCount: number; readonly names: TokenNames },
): readonly (object | null)[] {
  return Array.from(prompt, (token, index) => {
    const logprobs = scores[index - 1];
    if (logprobs === undefined) return null;
    const ranked = topOf(logprobs)
      .slice(0, topCount)
      .map(([top, logprob], place) => ({ top, logprob, rank: place + 1 }));
    const own = { top: tokenId(token), logprob: logprobs.logprob, rank: logprobs.rank };
    return Object.fromEntries(
      [own, ...ranked].map(({ top, logprob, rank }) => [
        top,
        { logprob: wireNumber(logprob), rank, decoded_token: names.name(top) },
      ]),
    );
  });
}

function topOf(logprobs: TokenLogprobs | undefined): readonly (readonly [TokenId, number])[] {
  if (logprobs === undefined) return [];
  const { topTokens, topLogprobs } = logprobs;
  return Array.from(topTokens, (token, place) => [tokenId(token), topLogprobs[place] ?? logprobMin] as const);
}
