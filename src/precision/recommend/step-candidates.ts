// The steps before quantizing that a search tries, and whether this model allows them.
// Why one of each kind: smoothing and awq look for the same gain, and one after the other brought nothing more where it was measured
// (docs/PRECISION.md); strengths below 0.5 can harm.

import type { GgufFile } from '../gguf/read.ts';
import { activationsUsual, groupKinds, type ScalingStep } from '../recipes/recipe.ts';
import { immovableFaults, planScaling } from '../scaling/plan-scaling.ts';
import { type StepName, type StepsWish, stepNames } from './step-names.ts';

export interface StepCandidates {
  /** Each is tried by itself. */
  readonly candidates: readonly ScalingStep[];
  /** What was left out unasked; each a sentence. */
  readonly notes: readonly string[];
}

/** `importancePath`: where there is none, activations will be measured. Throws when steps that were named cannot be taken. */
export async function stepCandidates(
  file: GgufFile,
  wish: StepsWish,
  importancePath: string | undefined,
): Promise<StepCandidates> {
  const candidates = (wish.kind === 'auto' ? stepNames : wish.names).map(stepOf);
  const [fault] = candidates.length === 0 ? [] : await faultsOf(file, candidates, importancePath);
  if (fault === undefined) return { candidates, notes: [] };
  if (wish.kind === 'named') throw new Error(`--steps ${wish.names.join()}: ${fault}`);
  return { candidates: [], notes: [`no scales are moved: ${fault}`] };
}

async function faultsOf(
  file: GgufFile,
  steps: readonly ScalingStep[],
  importancePath: string | undefined,
): Promise<readonly string[]> {
  if (importancePath === undefined) return immovableFaults(file, steps);
  return (await planScaling(file, { steps, importancePath, allowRequantize: false })).faults;
}

function stepOf(kind: StepName): ScalingStep {
  const common = { groups: groupKinds, statistics: undefined, activations: activationsUsual };
  return kind === 'smooth' ? { kind, strength: 0.5, ...common } : { kind, ...common };
}
