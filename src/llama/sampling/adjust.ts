// What changes logits before anything is selected: bias, forbidden tokens, penalties.
// Why written into the logits themselves: only a few entries change, and the array is ours until the next decode.
// Rules: OpenAI's for presence and frequency (generated tokens only), vLLM's for repetition (prompt and generated).

import type { TokenId } from '../../ids.ts';
import type { SampleRow } from '../../ports.ts';

/** Applies a row's adjustments to its logits, shape (vocabularySize,). O(tokens) when a penalty is set, else O(bias). */
export function adjustLogits(logits: Float32Array, row: SampleRow, endTokenIds: readonly TokenId[]): void {
  const { sampling, tokens, tokenCount, generatedCount } = row;
  for (const { token, bias } of sampling.logitBias) add(logits, token, bias);
  if (sampling.repetitionPenalty !== 1) {
    for (const token of new Set(tokens.subarray(0, tokenCount))) repeat(logits, token, sampling.repetitionPenalty);
  }
  if (sampling.presencePenalty !== 0 || sampling.frequencyPenalty !== 0) {
    for (const [token, count] of occurrences(tokens.subarray(tokenCount - generatedCount, tokenCount)))
      add(logits, token, -(sampling.presencePenalty + sampling.frequencyPenalty * count));
  }
  if (row.ignoreEos) for (const token of endTokenIds) logits[token] = Number.NEGATIVE_INFINITY;
}

/** Whether `adjustLogits` would change anything. */
export function needsAdjusting({ sampling, ignoreEos }: SampleRow): boolean {
  return (
    ignoreEos ||
    sampling.logitBias.length > 0 ||
    sampling.repetitionPenalty !== 1 ||
    sampling.presencePenalty !== 0 ||
    sampling.frequencyPenalty !== 0
  );
}

function add(logits: Float32Array, token: number, amount: number): void {
  const logit = logits[token];
  if (logit !== undefined) logits[token] = logit + amount;
}

function repeat(logits: Float32Array, token: number, penalty: number): void {
  const logit = logits[token];
  if (logit !== undefined) logits[token] = logit > 0 ? logit / penalty : logit * penalty;
}

function occurrences(tokens: Int32Array): Map<number, number> {
  const counts = new Map<number, number>();
  for (const token of tokens) counts.set(token, (counts.get(token) ?? 0) + 1);
  return counts;
}
