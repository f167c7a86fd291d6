// Speculation as the scheduler holds it: what it may spend, what it has learned, what it has counted.
// Why absent rather than switched off: without it no other file of the scheduler behaves otherwise than it did.

import type { SchedulerStats } from '../../ports.ts';
import type { StepShape } from '../cost-model.ts';
import {
  acceptanceRate,
  createExperience,
  createOwnRecord,
  type Experience,
  type OwnRecord,
  tallyAt,
} from './acceptance.ts';
import { createOutcomes, forgetOutcomes, type Outcomes } from './outcomes.ts';
import { createRowCost, type RowCost, type StepCosts } from './row-cost.ts';
import { createTrials, type Trials } from './trials.ts';
import {
  type Drafter,
  drafterEvidence,
  forEachProposer,
  type Proposal,
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
  /** `all` computes whatever is guessed, so that tests of texts have many guesses. */
  readonly computes?: 'worthwhile' | 'all' | undefined;
}

export interface Speculation {
  readonly options: SpeculationOptions;
  /** Apart, so that what is thought of one is not thought of the other. */
  readonly experience: Readonly<Record<ProposerName, Experience>>;
  readonly rowCost: RowCost;
  readonly totals: Readonly<Record<ProposerName, SpeculationTotals>>;
  readonly outcomes: Readonly<Record<ProposerName, Outcomes>>;
  readonly trials: Trials;
  /** Steps with guesses since the last one without. */
  stepsSincePlain: number;
}

/** What speculation knows of one sequence. */
export interface Follower {
  readonly proposer: SequenceProposer;
  /** How each proposer's guesses fared. */
  readonly own: Readonly<Record<ProposerName, OwnRecord>>;
  readonly rests: Readonly<Record<ProposerName, Rest>>;
}

/** Whether a proposer is asked about a sequence. */
export interface Rest {
  /** Guesses in a row of which no token came true. */
  missCount: number;
  /** Times that it is not asked for a guess. */
  restSteps: number;
}

export function createSpeculation(options: SpeculationOptions, costs: StepCosts): Speculation {
  return {
    options,
    experience: forEachProposer(() => createExperience(options.proposer.evidenceLevels)),
    rowCost: createRowCost(costs),
    totals: forEachProposer(() => createTotals(options)),
    outcomes: forEachProposer(createOutcomes),
    trials: createTrials(),
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

export function createFollower({ options, experience }: Speculation): Follower {
  const own = forEachProposer(createOwnRecord);
  const drafterName = options.drafter?.by ?? 'draft';
  const isPreferred = (copy: Proposal): boolean =>
    acceptanceRate(own.lookup, tallyAt(experience.lookup, copy, 0)) >=
    acceptanceRate(own[drafterName], tallyAt(experience[drafterName], drafterEvidence[drafterName], 0));
  const rests = forEachProposer(() => ({ missCount: 0, restSteps: 0 }));
  return { proposer: options.proposer.follow(isPreferred), own, rests };
}

/** Misses in a row before a sequence is asked less often. */
const missesFree = 4;
const restStepsMax = 8;

/** Off after misses, tried again at intervals that grow. */
export function noteMisses(rest: Rest, missed: boolean): void {
  rest.missCount = missed ? rest.missCount + 1 : 0;
  const excess = rest.missCount - missesFree;
  rest.restSteps = excess > 0 ? Math.min(2 ** (excess - 1), restStepsMax) : 0;
}

/** Counts as one of the times that it is not asked. */
export function isResting(rest: Pick<Rest, 'restSteps'>): boolean {
  if (rest.restSteps === 0) return false;
  rest.restSteps -= 1;
  return true;
}

/** How long a step took, with guesses or without. */
export function noteStep(
  speculation: Speculation,
  { decodeCount, promptTokenCount, extraRows }: StepShape & { readonly extraRows: number },
  stepMs: number,
): void {
  if (promptTokenCount > 0 || decodeCount === 0) return;
  speculation.rowCost.observe({ decodeCount, extraRows }, stepMs);
  if (extraRows === 0) for (const name of proposerNames) forgetOutcomes(speculation.outcomes[name]);
  speculation.stepsSincePlain = extraRows === 0 ? 0 : speculation.stepsSincePlain + 1;
}

type DraftCounts = Pick<
  SchedulerStats,
  'draftCount' | 'draftTokenCount' | 'acceptedTokenCount' | 'acceptedByPosition' | 'draftsBy'
>;

const noDrafts: DraftCounts = {
  draftCount: 0,
  draftTokenCount: 0,
  acceptedTokenCount: 0,
  acceptedByPosition: [],
  draftsBy: [],
};

/** The counts of all proposers together, and of each. */
export function sumTotals(speculation: Speculation | undefined): DraftCounts {
  if (speculation === undefined) return noDrafts;
  const { options, totals: totalsBy } = speculation;
  const all = proposerNames.map((name) => totalsBy[name]);
  const sum = (of: (totals: SpeculationTotals) => number): number => all.reduce((total, each) => total + of(each), 0);
  return {
    draftCount: sum(({ draftCount }) => draftCount),
    draftTokenCount: sum(({ draftTokenCount }) => draftTokenCount),
    acceptedTokenCount: sum(({ acceptedTokenCount }) => acceptedTokenCount),
    acceptedByPosition: Array.from({ length: options.draftTokensMax }, (_, position) =>
      sum(({ acceptedByPosition }) => acceptedByPosition[position] ?? 0),
    ),
    draftsBy: proposerNames.flatMap((proposer) => {
      const totals = totalsBy[proposer];
      if (totals.draftCount === 0) return [];
      return [{ proposer, draftTokenCount: totals.draftTokenCount, acceptedTokenCount: totals.acceptedTokenCount }];
    }),
  };
}
