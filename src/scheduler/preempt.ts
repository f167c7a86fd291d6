// Running short of blocks: who goes back to waiting, and whether its cache is parked in host memory or recomputed.
// Why it never deadlocks: the victim is the lowest-ranked, youngest running sequence, so the first in rank always
// advances; and no sequence may be longer than the whole pool (contextTokensMax).

import { reserveHostBytes } from '../kv/host-tier.ts';
import { parkBeside } from './beside-copies.ts';
import type { Park } from './copy-types.ts';
import { computeMs, heldBytesMax, thereAndBackMs } from './host-copies.ts';
import { backToWaiting, leaseOf } from './lifecycle.ts';
import type { Sequence } from './sequence.ts';
import type { SchedulerState } from './state.ts';
import type { StepPlan } from './step-plan.ts';

/** The running sequence that yields first. O(running). */
export function victimOf(state: SchedulerState): Sequence | undefined {
  let victim: Sequence | undefined;
  for (const candidate of state.running) {
    if (victim === undefined || state.queue.yieldsBefore(candidate, victim)) victim = candidate;
  }
  return victim;
}

/** Sends a running sequence back to waiting; answers what to park, if it may be and that is cheaper than computing it again. */
export function preempt(
  state: SchedulerState,
  sequence: Sequence,
  how: 'park' | 'recompute' = 'park',
): Park | undefined {
  if (sequence.parked !== undefined || sequence.filling !== undefined) {
    // Its restore was planned and not performed: what is in host memory is still all of it.
    backToWaiting(state, sequence);
    return undefined;
  }
  // Planned only where it also finds room: the most that it may take is replaced by the real size once it is copied.
  const parks =
    how === 'park' &&
    shouldPark(state, sequence) &&
    reserveHostBytes(state.parked, sequence.id, heldBytesMax(state, sequence.computedCount));
  const park = parks ? { sequence, seq: leaseOf(sequence).seq, tokenCount: sequence.computedCount } : undefined;
  if (parks) state.totals.preemptionsPark += 1;
  else state.totals.preemptionsRecompute += 1;
  backToWaiting(state, sequence);
  return park;
}

/** As `preempt`, with what is to park added to a plan's: copied before its operations, or beside the steps that follow. */
export function preemptInto(state: SchedulerState, plan: StepPlan, victim: Sequence): void {
  const park = preempt(state, victim);
  if (park !== undefined && !parkBeside(state, plan, park)) plan.parks.push(park);
}

function estimatedParkBytes(state: SchedulerState, sequence: Sequence): number {
  return Math.max(1, Math.ceil(sequence.computedCount * state.options.kvBytesPerToken));
}

function shouldPark(state: SchedulerState, sequence: Sequence): boolean {
  const { preemption } = state.options;
  if (preemption === 'recompute' || sequence.computedCount === 0) return false;
  if (preemption === 'park') return true;
  return thereAndBackMs(state, estimatedParkBytes(state, sequence)) < computeMs(state, 0, sequence.computedCount);
}
