// Perplexity over windows: e to the mean negative log-likelihood of the scored tokens.

import { type RowPlace, type RowScore, scoreWindows, type WindowRun } from './score-windows.ts';
import { meanOf } from './statistics.ts';
import { scoredCount, type Window } from './windows.ts';

export interface Perplexity {
  readonly perplexity: number;
  readonly standardError: number;
  /** Scored tokens. */
  readonly tokenCount: number;
  readonly windowCount: number;
}

/** Perplexity of the windows on one kernel. `onRow` sees every row while its logits are there. */
export async function measurePerplexity(
  run: WindowRun,
  onRow: (place: RowPlace, score: RowScore) => void = () => undefined,
): Promise<Perplexity> {
  const losses = new Float64Array(scoredTotal(run.windows));
  let count = 0;
  await scoreWindows(run, (place, score) => {
    losses[count++] = -score.logProbability;
    onRow(place, score);
  });
  return summarizeLosses(losses, run.windows.length);
}

/** Shape of `losses`: (scored tokens,), in nats. Throws when one of them is not a number: the model's output is broken. */
export function summarizeLosses(losses: Float64Array, windowCount: number): Perplexity {
  const broken = losses.findIndex((loss) => !Number.isFinite(loss));
  if (broken >= 0) throw new Error(`the model's logits are not finite at scored token ${broken} of ${losses.length}`);
  const { value, standardError } = meanOf(losses);
  const perplexity = Math.exp(value);
  return { perplexity, standardError: perplexity * standardError, tokenCount: losses.length, windowCount };
}

export function scoredTotal(windows: readonly Window[]): number {
  return windows.reduce((sum, window) => sum + scoredCount(window), 0);
}
