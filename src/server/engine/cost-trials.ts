// Costs of steps in both KV layouts with what they may be off: from the middle of what was timed, and again and again from timings
// that are off it as far as timings of that machine are.
// Why trials and not a formula: costs are never below nothing, and what is kept in a pool depends on them, so that a small error may
// mean nothing or much; trials carry it through all of that.

import type { KvLayout } from '../../kernel-port.ts';
import { fitCosts, type StepCosts } from '../../kv/layout-model/step-costs.ts';
import type { LayoutEvidence, MeasuredStep } from '../../kv/layout-model/types.ts';
import { uniform } from '../../llama/sampling/uniform.ts';
import { type Estimate, estimate, medianOf } from '../tune/judge.ts';

/** Shape (1 + trials,) each: the likeliest costs first. Trials of equal index belong together. */
export type CostTrials = Readonly<Record<KvLayout, readonly StepCosts[]>>;

const trialCount = 60;

/** Always the same for the same evidence. */
export function costTrials(evidence: LayoutEvidence): CostTrials {
  const drifts = driftsOf(evidence);
  const of = (layout: KvLayout, seed: number): readonly StepCosts[] => {
    const steps = evidence.steps[layout];
    const timed = steps.map(({ ms }) => estimate(levelled(ms, drifts), evidence.noise));
    return Array.from({ length: 1 + trialCount }, (_, trial) =>
      fitCosts(
        layout,
        steps.map((step, index) => ({
          shape: step,
          ms: drawn(timed[index], trial === 0 ? 0 : normal(seed + trial, index)),
        })),
      ),
    );
  };
  return { pooled: of('pooled', 0), 'per-sequence': of('per-sequence', trialCount) };
}

/** Standard deviation of values from the first of them. */
export function spreadOf([first = 0, ...trials]: readonly number[]): number {
  return Math.sqrt(trials.reduce((sum, value) => sum + (value - first) ** 2, 0) / Math.max(1, trials.length));
}

/** By how much each round was slower than the middle one, in all that was timed: shape (rounds,), logarithms. */
function driftsOf({ steps }: LayoutEvidence): readonly number[] {
  const all: readonly MeasuredStep[] = [...steps.pooled, ...steps['per-sequence']];
  const rounds = Math.min(...all.map(({ ms }) => ms.length));
  return Array.from({ length: rounds }, (_, round) =>
    medianOf(all.map(({ ms }) => Math.log((ms[round] ?? 1) / medianOf(ms)))),
  );
}

function levelled(ms: readonly number[], drifts: readonly number[]): readonly number[] {
  return drifts.map((drift, round) => Math.log(ms[round] ?? 1) - drift);
}

function drawn(timed: Estimate | undefined, off: number): number {
  return timed === undefined ? 0 : Math.exp(timed.log + off * timed.error);
}

/** A draw of the normal distribution: a pure function of both. */
function normal(seed: number, position: number): number {
  const radius = Math.sqrt(-2 * Math.log(1 - uniform(seed, 2 * position)));
  return radius * Math.cos(2 * Math.PI * uniform(seed, 2 * position + 1));
}
