// What a step costs in each KV layout, and the load that the layouts are held against each other by: types alone.
// Why a model at all: a load's steps are never all measured, and the cells in use at a full pool hardly ever can be.

import type { KvLayout } from '../../kernel-port.ts';

/** What a step is made of, as far as its cost depends on it. Counts may be means, and so fractions. */
export interface StepShape {
  /** Sequences that compute their one newest token. */
  readonly rows: number;
  /** Cells that each of these rows looks at, and no other row does. */
  readonly ownCells: number;
  /** Cells that all of these rows look at: one copy in a pool, one in each slab. */
  readonly sharedCells: number;
  /** Tokens of a prompt that is read in the same step; 0 where none is. */
  readonly promptTokens: number;
  /** Mean position of those. */
  readonly promptDepth: number;
  /** Cells in use, of whomever, shared ones counted once. Of no meaning with slabs, where no row reads another's. */
  readonly usedCells: number;
}

/** A step that was timed: once in each round, its draws included. */
export interface MeasuredStep extends StepShape {
  /** Shape (rounds,). */
  readonly ms: readonly number[];
}

export type MeasuredLayouts = Readonly<Record<KvLayout, readonly MeasuredStep[]>>;

/** What is served, as the operator describes it: so many requests under way at any time, each followed by the next. */
export interface ExpectedLoad {
  readonly streams: number;
  /** Of one request, as a mean, and at least 1: what its prompt has beside the shared prefix. */
  readonly promptTokens: number;
  readonly outputTokens: number;
  /** What all prompts begin with. */
  readonly sharedTokens: number;
}

/** What a tuning run knows of the two layouts. */
export interface LayoutEvidence {
  readonly load: ExpectedLoad;
  /** What a timing differs by from itself: standard deviation of its logarithm. */
  readonly noise: number;
  readonly steps: MeasuredLayouts;
}

/** What a layout's cache has for the load. */
export interface LayoutRoom {
  /** Sequences that run at once. */
  readonly atOnce: number;
  /** Cells of prefixes that nobody uses; they cost rows of a pool. */
  readonly keptCells: number;
}
