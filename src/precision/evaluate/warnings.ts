// What a reader of the numbers must be told: differences inside their error, and comparisons that the numbers do not carry.
// Source of the rule on near-lossless formats: arXiv 2606.19558 finds no correlation between divergence and benchmark results
// there. Where that region ends is our choice.

import type { EvaluationRun } from './result-schema.ts';
import { normal95 } from './statistics.ts';

/** Mean divergence in nats below which formats are called near lossless and not ranked by it. */
export const nearLosslessDivergence = 0.005;
/** Chance above which a difference of accuracies is called undecided. */
const chanceMax = 0.05;

export function findWarnings(runs: readonly EvaluationRun[]): readonly string[] {
  return [
    ...runs.flatMap(warningsOf),
    ...undecidedTasks(runs),
    ...undecidedPairs(runs),
    ...nearLosslessNote(runs),
    ...emulatedNote(runs),
  ];
}

/** Whether divergence is too small to say which of two formats is better. */
export function isNearLossless({ divergence }: EvaluationRun): boolean {
  return divergence !== undefined && divergence.divergence.value < nearLosslessDivergence;
}

function warningsOf({ id, divergence }: EvaluationRun): string[] {
  if (divergence === undefined) return [];
  const { value, standardError } = divergence.logRatio;
  const reach = normal95 * standardError;
  const inside = Math.abs(value) <= reach;
  const { method } = divergence;
  return [
    ...(inside
      ? [
          `${id}: the change of perplexity (${percent(Math.expm1(value))} ± ${percent(reach)}) is inside its error: no difference is shown`,
        ]
      : []),
    ...(!inside && value < 0
      ? [
          `${id}: a perplexity below the reference's is chance or a quirk of this text, not a better model: look at divergence and tasks`,
        ]
      : []),
    ...(method.kind === 'top-k'
      ? [
          `${id}: the divergence is a lower bound: ${percent(method.restMass)} of the reference's mass lies outside its ${method.k} kept tokens`,
        ]
      : []),
  ];
}

function undecidedTasks(runs: readonly EvaluationRun[]): string[] {
  const undecided = runs.flatMap(({ id, tasks }) => {
    const names = tasks
      .filter(({ flips }) => flips !== undefined && flips.gained !== flips.lost && flips.chance > chanceMax)
      .map(({ name }) => name);
    return names.length === 0 ? [] : [`${id} (${names.join(', ')})`];
  });
  if (undecided.length === 0) return [];
  return [
    `changes of accuracy that are inside their error, so that no difference from the reference is shown: ${undecided.join('; ')}`,
  ];
}

/** Neighbours in the order of divergence whose intervals overlap: the table must not be read as a ranking of them. */
function undecidedPairs(runs: readonly EvaluationRun[]): string[] {
  const ranked = runs
    .flatMap((run) => (run.divergence === undefined || isNearLossless(run) ? [] : [{ id: run.id, ...run.divergence }]))
    .sort((a, b) => a.divergence.value - b.divergence.value);
  return ranked.flatMap((worse, index) => {
    const better = ranked[index - 1];
    if (better === undefined) return [];
    // Both are measured on the same tokens, so that this error is, if anything, too large.
    const error = Math.hypot(better.divergence.standardError, worse.divergence.standardError);
    if (worse.divergence.value - better.divergence.value > normal95 * error) return [];
    return [
      `${better.id} and ${worse.id}: their divergences differ by less than the error: neither is shown to be closer`,
    ];
  });
}

function nearLosslessNote(runs: readonly EvaluationRun[]): string[] {
  const near = runs.filter(isNearLossless);
  if (near.length < 2) return [];
  return [
    `${near.map(({ id }) => id).join(', ')}: near lossless (mean divergence below ${nearLosslessDivergence}); choose among them by tasks, speed and memory, not by divergence`,
  ];
}

function emulatedNote(runs: readonly EvaluationRun[]): string[] {
  const emulated = [
    ...new Set(runs.filter(({ weights }) => weights.emulated !== undefined).map((run) => run.weights.label)),
  ];
  if (emulated.length === 0) return [];
  return [
    `${emulated.join(', ')}: emulated, that is rounded through the format and stored at 16 bits; only quality is that format's, not speed and size`,
  ];
}

function percent(share: number): string {
  return `${(100 * share).toFixed(2)} %`;
}
