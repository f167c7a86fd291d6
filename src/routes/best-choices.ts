// Which of several answers to a prompt are returned, where more were asked to choose from (`best_of`).
// Why by token: the sum alone would prefer short answers. Source: OpenAI's "highest log probability per token".

import type { ScoredToken } from './score-queue.ts';

/** Indexes into `choices` of the likeliest, best first; the earlier one among equals. */
export function bestChoices(choices: readonly (readonly ScoredToken[])[], count: number): readonly number[] {
  if (count >= choices.length) return [...choices.keys()];
  const means = choices.map(meanLogprob);
  const order = [...choices.keys()].sort((a, b) => (means[b] ?? 0) - (means[a] ?? 0) || a - b);
  return order.slice(0, count);
}

/** An answer without tokens is no better than any other. */
function meanLogprob(scores: readonly ScoredToken[]): number {
  if (scores.length === 0) return Number.MIN_SAFE_INTEGER;
  return scores.reduce((sum, { logprobs }) => sum + logprobs.logprob, 0) / scores.length;
}
