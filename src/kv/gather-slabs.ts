// Which running sequence moves to which slab, so that running ids follow one another. Pure choice: nothing is changed here.

import { must } from '../assert.ts';
import { nextMove } from './gather-ids.ts';
import { leastValuable, nearbySlabs, refugeFor } from './slab-choice.ts';
import { isIdle, type Slab, type SlabState } from './slabs.ts';
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

/** The next move; undefined where there is none, or the limits do not allow it. O(slabs). */
export function chooseMove(state: SlabState, { movesMax, lossTokensMax }: GatherLimits): SlabMove | undefined {
  const { slabs } = state;
  const slabAt = (id: number): Slab => must(slabs[id], 'a native id has a slab');
  const running = slabs.map(({ lease }) => lease !== undefined);
  const move = nextMove(running, movesMax);
  if (move === undefined) return undefined;
  const origin = slabAt(move.origin);
  const target = leastValuable(nearbySlabs(state, move.holes.map(slabAt).filter(isIdle)), undefined);
  // Nothing can be copied of a sequence that computed nothing yet.
  if (target === undefined || origin.computedCount === 0) return undefined;
  const refuge = refugeFor(state, { target, keptCount: 0, source: origin });
  const lostTokenCount = (refuge ?? target).computedCount;
  return lostTokenCount > lossTokensMax ? undefined : { origin, target, refuge, lostTokenCount };
}
