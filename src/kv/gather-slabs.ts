// Which running sequence moves where, so that the running ids follow one another after as few copies as possible.
// Pure choice: nothing is changed here. Why ids matter: slab-choice.ts.

import { leastValuable, nearbySlabs, refugeFor } from './slab-choice.ts';
import type { Slab, SlabState } from './slabs.ts';
import type { GatherLimits } from './types.ts';

export interface SlabMove {
  /** Of a running sequence. */
  readonly origin: Slab;
  /** Idle; its content makes room. */
  readonly target: Slab;
  /** An idle slab, empty or less recently used, that takes over the target's content. */
  readonly refuge: Slab | undefined;
  /** Tokens of the content that has to go in the end. */
  readonly lostTokenCount: number;
}

/** The next of the fewest moves after which no gap is left; undefined where there is none or the limits do not allow it. O(slabs). */
export function chooseMove(state: SlabState, { movesMax, lossTokensMax }: GatherLimits): SlabMove | undefined {
  const { slabs } = state;
  const running = slabs.filter(isRunning);
  const window = fullestWindow(slabs, running.length);
  const isInside = ({ seq }: Slab): boolean => seq >= window.from && seq < window.from + running.length;
  const outside = running.filter((slab) => !isInside(slab));
  const [origin] = outside;
  // Nothing can be copied of a sequence that computed nothing yet.
  if (origin === undefined || origin.computedCount === 0 || outside.length > movesMax) return undefined;
  const holes = slabs.filter((slab) => isInside(slab) && !isRunning(slab));
  const target = leastValuable(nearbySlabs(state, holes), undefined);
  if (target === undefined) return undefined;
  const refuge = refugeFor(state, { target, keptCount: 0, source: origin });
  const lostTokenCount = (refuge ?? target).computedCount;
  return lostTokenCount > lossTokensMax ? undefined : { origin, target, refuge, lostTokenCount };
}

/** The first of those runs of `length` ids in which most are running: whoever is outside has to move. */
function fullestWindow(slabs: readonly Slab[], length: number): { readonly from: number } {
  let inside = slabs.slice(0, length).filter(isRunning).length;
  let fullest = { from: 0, inside };
  for (let from = 1; from + length <= slabs.length; from++) {
    inside += countOf(slabs[from + length - 1]) - countOf(slabs[from - 1]);
    if (inside > fullest.inside) fullest = { from, inside };
  }
  return fullest;
}

function countOf(slab: Slab | undefined): number {
  return slab !== undefined && isRunning(slab) ? 1 : 0;
}

function isRunning({ lease }: Slab): boolean {
  return lease !== undefined;
}
