// Speculation as the scheduler holds it: what it may spend, what it has learned, what it has counted.
// Why absent rather than switched off: without it no other file of the scheduler behaves otherwise than it did.

import type { StepShape } from '../cost-model.ts';
import { createExperience, createOwnRecord, type Experience, type OwnRecord } from './acceptance.ts';
import { createOutcomes, forgetOutcomes, type Outcomes } from './outcomes.ts';
import { createRowCost, type RowCost, type StepCosts } from './row-cost.ts';
import type { Proposer, SequenceProposer, SpeculationTotals } from './types.ts';

export interface SpeculationOptions {
  readonly proposer: Proposer;
  /** Guesses computed for one sequence in one step. */
  readonly draftTokensMax: number;
  /** Rows of one step that may have logits beyond one for each sequence. */
  readonly extraRowsMax: number;
  /** Whether the kernels compute as many rows of each sequence as of any (a slab for each). */
  readonly equalRows: boolean;
  /** `all` computes whatever is guessed, so that tests of texts have many guesses. */
  readonly computes?: 'worthwhile' | 'all' | undefined;
}

export interface Speculation {
  readonly options: SpeculationOptions;
  readonly experience: Experience;
  readonly rowCost: RowCost;
  readonly totals: SpeculationTotals;
  readonly outcomes: Outcomes;
  /** Steps with guesses since the last one without. */
  stepsSincePlain: number;
}

/** What speculation knows of one sequence. */
export interface Follower {
  readonly proposer: SequenceProposer;
  readonly own: OwnRecord;
  /** Guesses in a row of which no token came true. */
  missCount: number;
  /** Steps in which it is not asked for a guess. */
  restSteps: number;
}

export function createSpeculation(options: SpeculationOptions, costs: StepCosts): Speculation {
  return {
    options,
    experience: createExperience(options.proposer.evidenceLevels),
    rowCost: createRowCost(costs),
    totals: {
      draftCount: 0,
      draftTokenCount: 0,
      acceptedTokenCount: 0,
      acceptedByPosition: new Array(options.draftTokensMax).fill(0),
    },
    outcomes: createOutcomes(),
    stepsSincePlain: 0,
  };
}

export function createFollower({ options }: Speculation): Follower {
  return { proposer: options.proposer.follow(), own: createOwnRecord(), missCount: 0, restSteps: 0 };
}

/** Misses in a row before a sequence is asked less often. */
const missesFree = 4;
const restStepsMax = 8;

/** Off after misses, tried again at intervals that grow. */
export function noteMisses(follower: Follower, missed: boolean): void {
  follower.missCount = missed ? follower.missCount + 1 : 0;
  const excess = follower.missCount - missesFree;
  follower.restSteps = excess > 0 ? Math.min(2 ** (excess - 1), restStepsMax) : 0;
}

/** How long a step took, with guesses or without. */
export function noteStep(
  speculation: Speculation,
  { decodeCount, promptTokenCount, extraRows }: StepShape & { readonly extraRows: number },
  stepMs: number,
): void {
  if (promptTokenCount > 0 || decodeCount === 0) return;
  speculation.rowCost.observe({ decodeCount, extraRows }, stepMs);
  if (extraRows === 0) forgetOutcomes(speculation.outcomes);
  speculation.stepsSincePlain = extraRows === 0 ? 0 : speculation.stepsSincePlain + 1;
}
