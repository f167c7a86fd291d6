// What changes logits before anything is selected: bias, penalties, forbidden tokens.
// Why written into the logits themselves: only a few entries change, and the array is ours until the next decode.
// Rules: OpenAI's for presence and frequency (generated tokens only), vLLM's for repetition (prompt and generated).

import type { TokenId } from '../../ids.ts';
import type { SampleRow } from '../../kernel-port.ts';

/** Counts per token, all 0 between calls. Shape (vocabularySize,). */
export type TokenCounts = Int32Array;

export interface AdjustMemory {
  readonly counts: TokenCounts;
  readonly endTokenIds: readonly TokenId[];
}

/** Whether `adjustLogits` would change anything. */
export function needsAdjusting(row: SampleRow): boolean {
  const { sampling, ignoreEos, forbiddenTokens = none } = row;
  return (
    ignoreEos ||
    forbiddenTokens.length > 0 ||
    sampling.allowedTokens !== undefined ||
    (sampling.bannedRuns ?? noRuns).length > 0 ||
    reweighs(row)
  );
}

/** Whether a row changes logits of tokens that stay possible: what was the largest may then be another. */
export function reweighs({ sampling }: SampleRow): boolean {
  return (
    sampling.logitBias.length > 0 ||
    sampling.repetitionPenalty !== 1 ||
    sampling.presencePenalty !== 0 ||
    sampling.frequencyPenalty !== 0
  );
}

/**
 * Whether a token is surely possible under what a row forbids: then it is still the likeliest if it was. False also where only
 * `adjustLogits` can tell. O(tokens that the row names).
 */
export function surelyAllows(row: SampleRow, token: number, endTokenIds: readonly TokenId[]): boolean {
  const { sampling, mask, forbiddenTokens = [], tokens, tokenCount, generatedCount } = row;
  const isNamed = (list: readonly TokenId[]) => list.some((named) => named === token);
  if (mask !== undefined ? !hasBit(mask, token) : row.ignoreEos && isNamed(endTokenIds)) return false;
  if (isNamed(forbiddenTokens)) return false;
  if (sampling.allowedTokens !== undefined && !isNamed(sampling.allowedTokens)) return false;
  const runs = (sampling.bannedRuns ?? []).filter((run) => isNamed(run.slice(-1)));
  if (runs.length === 0) return true;
  const output = tokens.subarray(tokenCount - generatedCount, tokenCount);
  return !runs.some((run) => endsBefore(output, run));
}

function hasBit(mask: Int32Array, token: number): boolean {
  return (((mask[token >>> 5] ?? 0) >>> (token & 31)) & 1) !== 0;
}

/**
 * Applies a row's bias, then its penalties, to its logits, shape (vocabularySize,). O(tokenCount) with a repetition
 * penalty, O(generatedCount) with the others. Not to be applied twice to the same logits.
 */
export function adjustLogits(logits: Float32Array, row: SampleRow, { counts, endTokenIds }: AdjustMemory): void {
  const { sampling, tokens, tokenCount, generatedCount } = row;
  for (const { token, bias } of sampling.logitBias) {
    const logit = logits[token];
    if (logit !== undefined) logits[token] = logit + bias;
  }
  const { repetitionPenalty, presencePenalty, frequencyPenalty } = sampling;
  if (repetitionPenalty !== 1) {
    eachToken(counts, tokens.subarray(0, tokenCount), (token) => {
      const logit = logits[token] as number;
      logits[token] = logit > 0 ? logit / repetitionPenalty : logit * repetitionPenalty;
    });
  }
  if (presencePenalty !== 0 || frequencyPenalty !== 0) {
    eachToken(counts, tokens.subarray(tokenCount - generatedCount, tokenCount), (token, count) => {
      logits[token] = (logits[token] as number) - presencePenalty - frequencyPenalty * count;
    });
  }
  // A mask knows better: it allows an end where nothing else is possible.
  if (row.mask === undefined && row.ignoreEos) forbid(logits, endTokenIds);
  const { mask, forbiddenTokens = none } = row;
  if (mask === undefined || allowsOthers(mask, forbiddenTokens)) forbid(logits, forbiddenTokens);
  if (sampling.allowedTokens !== undefined) forbidAllBut(logits, sampling.allowedTokens);
  const { bannedRuns = noRuns } = sampling;
  if (bannedRuns.length === 0) return;
  const output = tokens.subarray(tokenCount - generatedCount, tokenCount);
  for (const run of bannedRuns) if (endsBefore(output, run)) forbid(logits, run.slice(-1));
}

const none: readonly TokenId[] = [];
const noRuns: NonNullable<SampleRow['sampling']['bannedRuns']> = [];

function forbid(logits: Float32Array, tokens: readonly TokenId[]): void {
  for (const token of tokens) logits[token] = Number.NEGATIVE_INFINITY;
}

/** Whether a mask has tokens besides `tokens`. O(mask), and only before `min_tokens`. */
function allowsOthers(mask: Int32Array, tokens: readonly TokenId[]): boolean {
  if (tokens.length === 0) return true;
  const others = mask.slice();
  for (const token of tokens) others[token >>> 5] = (others[token >>> 5] ?? 0) & ~(1 << (token & 31));
  return others.some((word) => word !== 0);
}

function forbidAllBut(logits: Float32Array, allowed: readonly TokenId[]): void {
  const kept = allowed.map((token) => logits[token] ?? Number.NEGATIVE_INFINITY);
  logits.fill(Number.NEGATIVE_INFINITY);
  allowed.forEach((token, index) => {
    logits[token] = kept[index] ?? Number.NEGATIVE_INFINITY;
  });
}

/** Whether the output ends with all of `run` but its last token. */
function endsBefore(output: Int32Array, run: readonly TokenId[]): boolean {
  const start = output.length - (run.length - 1);
  return start >= 0 && run.slice(0, -1).every((token, index) => output[start + index] === token);
}

/** Calls `visit` once for each different token, with how often it occurs. */
function eachToken(counts: TokenCounts, tokens: Int32Array, visit: (token: number, count: number) => void): void {
  for (const token of tokens) counts[token] = (counts[token] ?? 0) + 1;
  for (const token of tokens) {
    const count = counts[token] ?? 0;
    if (count === 0) continue;
    counts[token] = 0;
    visit(token, count);
  }
}
