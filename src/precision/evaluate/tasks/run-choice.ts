// Runs a multiple-choice task on a cell.

import type { RowScorer } from '../../../llama/scoring/row-scorer.ts';
import type { ChoiceTokens } from '../choice-items.ts';
import type { Lane } from '../lane.ts';
import type { TaskResult } from '../result-schema.ts';
import { bestChoice, type ChoiceScore, scoreChoices } from '../score-choices.ts';
import { scoreWindows } from '../score-windows.ts';
import { proportionOf } from '../statistics.ts';
import type { ChoiceTask } from './task.ts';

export interface ChoiceTaskRun {
  /** Pooled where the model shares prefixes, else an id for each choice. */
  readonly lane: Lane;
  readonly scorer: RowScorer;
  /** The task's items, in order. */
  readonly items: readonly ChoiceTokens[];
  readonly task: ChoiceTask;
  readonly onProgress?: (itemCount: number) => void;
}

export async function runChoiceTask(run: ChoiceTaskRun): Promise<Omit<TaskResult, 'seconds'>> {
  const { task, items, lane } = run;
  const scores = lane.kernel.limits.sharesPrefixes ? await scoreChoices(run) : await scoreWhole(run);
  const rightCount = (by: 'sum' | 'mean') =>
    scores.filter((score, index) => bestChoice(score, by) === task.items[index]?.gold).length;
  const other = task.decidedBy === 'sum' ? 'mean' : 'sum';
  return {
    name: task.name,
    kind: task.kind,
    accuracy: proportionOf(rightCount(task.decidedBy), items.length),
    secondary: {
      name: `by the ${other} of log-probabilities`,
      accuracy: proportionOf(rightCount(other), items.length),
    },
    groups: [],
    outcomes: scores.map((score, index) => {
      const item = task.items[index];
      const best = bestChoice(score, task.decidedBy);
      return { id: item?.id ?? '', score: best === item?.gold ? 1 : 0, answer: String(best) };
    }),
  };
}

/** Without shared prefixes every choice is a window of its own, scored from its first own token on. */
async function scoreWhole(run: ChoiceTaskRun): Promise<readonly ChoiceScore[]> {
  const { items } = run;
  const places = items.flatMap(({ prefix, tails }, item) =>
    tails.map((tail, choice) => ({
      item,
      choice,
      window: { tokens: join(prefix, tail), firstRow: prefix.length - 1 },
    })),
  );
  const scores = items.map(({ tails }) => ({
    sum: new Float64Array(tails.length),
    tokenCounts: Int32Array.from(tails, (tail) => tail.length),
  }));
  const windows = places.map(({ window }) => window);
  const onProgress = (count: number) => run.onProgress?.(places[count - 1]?.item ?? 0);
  await scoreWindows({ ...run, windows, onProgress }, ({ windowIndex }, { logProbability }) => {
    const place = places[windowIndex];
    const sums = place === undefined ? undefined : scores[place.item]?.sum;
    if (place !== undefined && sums !== undefined) sums[place.choice] = (sums[place.choice] ?? 0) + logProbability;
  });
  return scores;
}

function join(prefix: Int32Array, tail: Int32Array): Int32Array {
  const tokens = new Int32Array(prefix.length + tail.length);
  tokens.set(prefix);
  tokens.set(tail, prefix.length);
  return tokens;
}
