// Brings running sequences together whose native ids lie apart, one move before a step, once their gaps have cost as much.
// Why at all: with a slab for each sequence llama.cpp computes only consecutive ids together. Where a few of many sequences go on
// (the long answers of a batch, the evening of a busy day), each step is cut in a pass over all weights for nearly every one of them.
// Why only where nobody waits and no prompt is read: new sequences take the ids in between anyway.

import { assert } from '../assert.ts';
import { missedTokenMs } from './copy-worth.ts';
import { hasPrompts } from './plan-prompts.ts';
import type { SchedulerState } from './state.ts';

/** Moves a sequence to another native id where that pays; answers the copies that takes with the next step. */
export function gather(state: SchedulerState): number {
  const { gaps, cache, running, totals } = state;
  const lostMs = gaps.lostMs();
  if (lostMs <= 0) return 0;
  const copyMs = gaps.copyMs();
  if (lostMs < copyMs || hasPrompts(state)) return 0;
  const missedMs = missedTokenMs(state);
  const moved = cache.gather({
    movesMax: Math.floor(lostMs / copyMs),
    lossTokensMax: missedMs === 0 ? Number.POSITIVE_INFINITY : Math.floor((lostMs - copyMs) / missedMs),
  });
  if (moved === undefined) return 0;
  const sequence = running.find(({ lease }) => lease === moved.from);
  assert(sequence !== undefined, 'the lease that was moved is that of a running sequence');
  sequence.lease = moved.to;
  gaps.spend(copyMs * moved.copyCount + (moved.lostTokenCount === 0 ? 0 : moved.lostTokenCount * missedMs));
  totals.gatheredSequences += 1;
  return moved.copyCount;
}
