// The steps before quantizing that a search tries, and whether this model allows them.
// Why one of each kind: smoothing and awq look for the same gain, and one after the other brought nothing more where it was measured
// (docs/PRECISION.md); strengths below 0.5 can harm.

import type { GgufFile } from '../gguf/read.ts';
import { activationsUsual, groupKinds, type ScalingStep } from '../recipes/recipe.ts';
import { immovableFaults } from '../scaling/plan-scaling.ts';
import { type StepName, type StepsWish, stepNames } from './step-names.ts';

export interface StepCandidates {
  /** Each is tried by itself. */
  readonly candidates: readonly ScalingStep[];
  /** What was left out unasked; each a sentence. */
  readonly notes: readonly string[];
}

/** Throws when steps that were named cannot be taken. */
export function stepCandidates(file: GgufFile, wish: StepsWish): StepCandidates {
  const candidates = (wish.kind === 'auto' ? stepNames : wish.names).map(stepOf);
  const [fault] = candidates.length === 0 ? [] : immovableFaults(file, candidates);
  if (fault === undefined) return { candidates, notes: [] };
  if (wish.kind === 'named') throw new Error(`--steps ${wish.names.join()}: ${fault}`);
  return { candidates: [], notes: [`no scales are moved: ${fault}`] };
}

function stepOf(kind: StepName): ScalingStep {
  const common = { groups: groupKinds, statistics: undefined, activations: activationsUsual };
  return kind === 'smooth' ? { kind, strength: 0.5, ...common } : { kind, ...common };
}
