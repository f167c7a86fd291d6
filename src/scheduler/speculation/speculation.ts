// Speculation as the scheduler holds it: what it may spend, what it has learned, what it has counted.
// Why absent rather than switched off: without it no other file of the scheduler behaves otherwise than it did.

import type { SchedulerStats } from '../../ports.ts';
import type { StepShape } from '../cost-model.ts';
import { createExperience, createOwnRecord, type Experience, type OwnRecord } from './acceptance.ts';
import { createRowCost, type RowCost, type StepCosts } from './row-cost.ts';
import {
  type Drafter,
  type Proposer,
  type ProposerName,
  proposerNames,
  type SequenceProposer,
  type SpeculationTotals,
} from './types.ts';

export interface SpeculationOptions {
  readonly proposer: Proposer;
  /** Makes what the proposer answers, where that takes computing. */
  readonly drafter?: Drafter | undefined;
  /** Guesses computed for one sequence in one step. */
  readonly draftTokensMax: number;
  /** Rows of one step that may have logits beyond one for each sequence. */
  readonly extraRowsMax: number;
  /** Whether the kernels compute as many rows of each sequence as of any (a slab for each). */
  readonly equalRows: boolean;
}

export interface Speculation {
  readonly options: SpeculationOptions;
  readonly experience: Experience;
  readonly rowCost: RowCost;
  readonly costs: StepCosts;
  readonly totals: Readonly<Record<ProposerName, SpeculationTotals>>;
  readonly trials: Trials;
  /** Steps with guesses since the last one without. */
  stepsSincePlain: number;
}

/** While a drafter's guesses do not pay: what is done to find out whether they would, and how seldom (plan-round.ts). */
export interface Trials {
  /** Milliseconds that may be spent; undefined before the first. */
  savedMs: number | undefined;
  /** Trials since the drafter was last asked for guesses. */
  inVain: number;
  /** Times in a row that it was not worth asking for any. */
  refusals: number;
  /** Steps for which nobody asks. */
  restSteps: number;
}

/** What speculation knows of one sequence. */
export interface Follower {
  readonly proposer: SequenceProposer;
  /** How each proposer's guesses fared. */
  readonly own: Readonly<Record<ProposerName, OwnRecord>>;
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
    costs,
    totals: { lookup: createTotals(options), draft: createTotals(options) },
    trials: { savedMs: undefined, inVain: 0, refusals: 0, restSteps: 0 },
    stepsSincePlain: 0,
  };
}

function createTotals({ draftTokensMax }: SpeculationOptions): SpeculationTotals {
  return {
    draftCount: 0,
    draftTokenCount: 0,
    acceptedTokenCount: 0,
    acceptedByPosition: new Array(draftTokensMax).fill(0),
  };
}

export function createFollower({ options }: Speculation): Follower {
  const own = { lookup: createOwnRecord(), draft: createOwnRecord() };
  return { proposer: options.proposer.follow(), own, missCount: 0, restSteps: 0 };
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
  const { rowCost, costs } = speculation;
  if (extraRows === 0) {
    speculation.stepsSincePlain = 0;
    rowCost.forget();
    return;
  }
  speculation.stepsSincePlain += 1;
  const plainMs = costs.plainMs(decodeCount);
  if (plainMs !== undefined) rowCost.observe({ decodeCount, extraRows }, stepMs - plainMs);
}

type DraftCounts = Pick<
  SchedulerStats,
  'draftCount' | 'draftTokenCount' | 'acceptedTokenCount' | 'acceptedByPosition' | 'draftsBy'
>;

/** The counts of all proposers together, and of each. */
export function sumTotals(speculation: Speculation | undefined): DraftCounts {
  const all = speculation === undefined ? [] : proposerNames.map((name) => speculation.totals[name]);
  const sum = (of: (totals: SpeculationTotals) => number): number => all.reduce((total, each) => total + of(each), 0);
  return {
    draftCount: sum(({ draftCount }) => draftCount),
    draftTokenCount: sum(({ draftTokenCount }) => draftTokenCount),
    acceptedTokenCount: sum(({ acceptedTokenCount }) => acceptedTokenCount),
    acceptedByPosition: Array.from({ length: speculation?.options.draftTokensMax ?? 0 }, (_, position) =>
      sum(({ acceptedByPosition }) => acceptedByPosition[position] ?? 0),
    ),
    draftsBy: proposerNames.flatMap((proposer) => {
      const totals = speculation?.totals[proposer];
      if (totals === undefined || totals.draftCount === 0) return [];
      return [{ proposer, draftTokenCount: totals.draftTokenCount, acceptedTokenCount: totals.acceptedTokenCount }];
    }),
  };
}
