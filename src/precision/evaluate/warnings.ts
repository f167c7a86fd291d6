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
  const nearLossless = runs.filter(
    ({ divergence }) => divergence !== undefined && divergence.divergence.value < nearLosslessDivergence,
  );
  const ranking =
    nearLossless.length < 2
      ? []
      : [
          `${nearLossless.map(({ id }) => id).join(', ')}: near lossless (mean divergence below ${nearLosslessDivergence}); choose among them by tasks, speed and memory, not by divergence`,
        ];
  return [...runs.flatMap(warningsOf), ...ranking];
}

function warningsOf({ id, divergence, tasks }: EvaluationRun): string[] {
  const warnings: string[] = [];
  if (divergence !== undefined) {
    const { value, standardError } = divergence.logRatio;
    const reach = normal95 * standardError;
    if (Math.abs(value) <= reach)
      warnings.push(
        `${id}: the change of perplexity (${percent(Math.expm1(value))} ± ${percent(reach)}) is inside its error: no difference is shown`,
      );
    if (divergence.method.kind === 'top-k')
      warnings.push(
        `${id}: the divergence is a lower bound: ${percent(divergence.method.restMass)} of the reference's mass lies outside its ${divergence.method.k} kept tokens`,
      );
  }
  const undecided = tasks.filter(
    ({ flips }) => flips !== undefined && flips.gained !== flips.lost && flips.chance > chanceMax,
  );
  if (undecided.length > 0)
    warnings.push(
      `${id}: the change of accuracy is inside its error for ${undecided.map(({ name }) => name).join(', ')}: no difference is shown`,
    );
  return warnings;
}

function percent(share: number): string {
  return `${(100 * share).toFixed(2)} %`;
}
