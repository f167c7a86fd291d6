// Whose turn it is: a step computes sequences of one adapter alone, and the adapters that have work take turns.
// Why one adapter a step: the native context applies its adapters to every row of a batch.
// Why turns of several steps: after a change llama.cpp lays its graphs and compute buffers out anew, which costs time.
//
//   end     A turn ends after the step with which it has `turnStepsMin` steps and the change that began it took at most
//           `changeShareMax` of its time; after `turnStepsMax` steps in any case; and once its adapter has nothing to compute.
//   next    Of the adapters with running sequences, the one that was computed longest ago; first of all one that never was.
//   so      With n adapters at work, each waits for at most n - 1 turns of at most `turnStepsMax` steps.
//
// The base model without an adapter is one of them, by the name `undefined`. Who is admitted, and who is preempted, is no
// business of turns: that goes by rank alone, whatever the adapter. So the first in rank is never held up by more than this.

export type AdapterName = string | undefined;

export interface AdapterTurns {
  /** What the last step was computed with. */
  current: AdapterName;
  /** Steps of the present turn, and the milliseconds they took. */
  stepCount: number;
  elapsedMs: number;
  /** Measured milliseconds that a change adds to its step; undefined before one was seen. */
  changeMs: number | undefined;
  /** Number of the last step that each adapter was computed in. */
  readonly lastSteps: Map<AdapterName, number>;
  stepNumber: number;
}

/** A second step must follow, or no step without a change would ever tell what steps cost. */
const turnStepsMin = 2;
const turnStepsMax = 8;
const changeShareMax = 0.1;
/** Weight of the newest change in the measured cost. A step's time varies more than a change costs, so many are looked at. */
const newestWeight = 0.1;

/** A new context has no adapter. */
export function createAdapterTurns(): AdapterTurns {
  return {
    current: undefined,
    stepCount: 0,
    elapsedMs: 0,
    changeMs: undefined,
    lastSteps: new Map(),
    stepNumber: 0,
  };
}

/** The adapter of the next step; `atWork` are those with something to compute, at least one. O(atWork). */
export function nextAdapter(turns: AdapterTurns, atWork: Iterable<AdapterName>): AdapterName {
  let next: { readonly adapter: AdapterName; readonly lastStep: number } | undefined;
  let isAtWork = false;
  for (const adapter of atWork) {
    if (adapter === turns.current) isAtWork = true;
    else {
      const lastStep = turns.lastSteps.get(adapter) ?? -1;
      if (next === undefined || lastStep < next.lastStep) next = { adapter, lastStep };
    }
  }
  return next === undefined || (isAtWork && !isOver(turns)) ? turns.current : next.adapter;
}

function isOver({ stepCount, elapsedMs, changeMs = 0 }: AdapterTurns): boolean {
  if (stepCount >= turnStepsMax) return true;
  return stepCount >= turnStepsMin && changeMs <= changeShareMax * elapsedMs;
}

export interface AdapterStep {
  readonly adapter: AdapterName;
  readonly stepMs: number;
  /** What such a step takes without a change; undefined when nobody knows. */
  readonly expectedMs: number | undefined;
}

/** Counts a step that was computed; answers whether it began with a change. */
export function noteTurn(turns: AdapterTurns, { adapter, stepMs, expectedMs }: AdapterStep): boolean {
  const isChange = adapter !== turns.current;
  if (isChange) {
    turns.current = adapter;
    turns.stepCount = 0;
    turns.elapsedMs = 0;
    // Below zero as well: what a step takes varies either way, and the mean must not keep one side alone.
    if (expectedMs !== undefined) learnChange(turns, stepMs - expectedMs);
  }
  turns.stepCount += 1;
  turns.elapsedMs += stepMs;
  turns.stepNumber += 1;
  turns.lastSteps.set(adapter, turns.stepNumber);
  return isChange;
}

function learnChange(turns: AdapterTurns, newestMs: number): void {
  turns.changeMs =
    turns.changeMs === undefined ? newestMs : turns.changeMs + newestWeight * (newestMs - turns.changeMs);
}
