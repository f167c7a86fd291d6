// Who of those that wait gets in: in order of rank, with blocks, a native id and a beginning, cached, parked or in host memory.
// Why nobody behind the first may overtake it for want of room: a large request would starve. Who waits for what is computed by another, or
// comes back from host memory beside steps, is overtaken.

import type { ParkedState } from '../kernel-port.ts';
import type { HostMatch } from '../kv/host-prefixes.ts';
import type { Admission } from '../kv/types.ts';
import { noteArrived, waitsBeside } from './beside-copies.ts';
import { copyWorthNow } from './copy-worth.ts';
import { copyMsMax, copyMsOf, planPromotion, promotionOf, restorePays, stateBytes } from './host-copies.ts';
import { start, unpark } from './lifecycle.ts';
import { chunkOf, hasTurn, waitsForRows } from './plan-prompts.ts';
import { preemptInto, victimOf } from './preempt.ts';
import { hasUnscoredPrompt } from './prompt-scores.ts';
import { cacheRequest, type Sequence, uncomputedCount } from './sequence.ts';
import type { SchedulerState } from './state.ts';
import { addChunk, removeChunk, type StepPlan, shapeOf } from './step-plan.ts';

/** Waiting sequences that may be passed over in one step because their prefix is being computed by another, or copied beside steps. */
const pendingSkipsMax = 256;

interface AdmissionBudget {
  /** Prompt tokens that the step may still read. */
  readonly budget: number;
  readonly nowMs: number;
}

/**
 * In order of rank, whatever the adapter: those of another one get their lease now and are computed when it has its turn.
 * No more of them than that turn's first step could read, or their blocks would lie idle.
 */
export function admitWaiting(state: SchedulerState, plan: StepPlan, budget: AdmissionBudget): void {
  if (state.queue.peek() === undefined) return;
  state.cache.weighCopies(copyWorthNow(state));
  const passedOver: Sequence[] = [];
  const copies = startCopies(state, plan);
  /** Those that a copy beside steps is made for: each keeps a place among those that run, and some of them wait for room. */
  const waitingBeside = { place: 0, room: 0 };
  let left = budget.budget;
  let laterLeft = state.options.stepTokensMax;
  while (passedOver.length < pendingSkipsMax) {
    const sequence = state.queue.peek();
    if (sequence === undefined) break;
    if ((hasTurn(plan, sequence) ? left : laterLeft) <= 0) break;
    if (!makePlace(state, plan, { waiting: sequence, reservedCount: waitingBeside.place })) break;
    const promotion = promotionOf(state, sequence);
    const waitsFor = waitsBeside(state, plan, { sequence, promotion, roomlessCount: waitingBeside.room });
    // Smaller copies of those behind it would keep it waiting.
    if (waitsFor === 'turn') break;
    if (waitsFor !== undefined) {
      waitingBeside.place += 1;
      if (waitsFor === 'room') waitingBeside.room += 1;
      state.queue.remove(sequence);
      passedOver.push(sequence);
      continue;
    }
    // Room may be made for those behind as well, but none of them takes it before who waits for it.
    if (waitingBeside.room > 0 || !copies.allow(promotion)) break;
    state.queue.remove(sequence);
    const outcome = admitOne(state, plan, { sequence, promotion, nowMs: budget.nowMs });
    if (outcome === 'admitted') state.firstTokens?.admitted(sequence, budget.nowMs);
    if (outcome === 'admitted' && !hasTurn(plan, sequence)) {
      laterLeft -= uncomputedCount(sequence);
      continue;
    }
    if (outcome === 'admitted') {
      left = copies.leave(left, sequence.computedCount);
      const count = chunkOf(state, plan, { sequence, left });
      if (count > 0) addChunk(plan, sequence, count);
      // What is left is too little for its beginning: those behind it wait, too. Not where rows are short: few of them want any.
      left = count === 0 && !waitsForRows(state, plan, sequence) ? 0 : left - count;
      continue;
    }
    passedOver.push(sequence);
    // No room for the first in line: nobody behind it may overtake, or a large request would starve.
    if (outcome !== 'pending-prefix') break;
  }
  for (const sequence of passedOver) state.queue.push(sequence);
}

/** Whether another sequence may run beside those that do; under `priority` a lower-ranked one makes place. */
function makePlace(
  state: SchedulerState,
  plan: StepPlan,
  { waiting, reservedCount }: { readonly waiting: Sequence; readonly reservedCount: number },
): boolean {
  if (state.running.length + reservedCount < state.options.sequencesMax && hasHeadroom(state, waiting)) return true;
  // Who is to be admitted before may still need what would be made.
  if (reservedCount > 0) return false;
  const victim = victimOf(state);
  if (victim === undefined || !state.queue.displaces(waiting, victim)) return false;
  // A sequence that is already in this plan must not lose its lease under it.
  removeChunk(plan, victim);
  preemptInto(state, plan, victim);
  return state.running.length < state.options.sequencesMax && hasHeadroom(state, waiting);
}

/**
 * Leaves each running sequence a block to grow into: admitting up to the last block would preempt at once.
 * With nothing running there is nothing to protect, so the first in line always gets in.
 */
function hasHeadroom(state: SchedulerState, waiting: Sequence): boolean {
  if (state.running.length === 0) return true;
  const { free, cached } = state.cache.stats().blocks;
  const wanted = Math.ceil((waiting.tokenCount + 1) / state.cache.blockTokens);
  const found = Math.floor(state.cache.cachedTokenCount(cacheRequest(waiting)) / state.cache.blockTokens);
  return free + cached - (wanted - found) >= state.running.length;
}

/** Bounds what copies between cache and host memory add to a step; one admission's are always allowed, and any beside nobody. */
function startCopies(state: SchedulerState, plan: StepPlan) {
  const msMax = copyMsMax(state);
  return {
    allow(promotion: HostMatch<ParkedState> | undefined): boolean {
      // Those whom the bound was for may have made place since.
      if (state.running.length === 0) return true;
      const plannedMs = copyMsOf(state, plan.restores);
      const nextMs = promotion === undefined ? 0 : state.copyCosts.ms('restore', stateBytes(promotion));
      return plannedMs === 0 || plannedMs + nextMs <= msMax;
    },
    /** Of so many prompt tokens those that still fit a target beside the plan and its copies; what was copied can wait a step. */
    leave(tokens: number, depth: number): number {
      const { itlTargetMs } = state.options;
      const copyMs = copyMsOf(state, plan.restores);
      const plannedMs = state.costs.predictMs(shapeOf(plan));
      if (itlTargetMs <= 0 || copyMs === 0 || msMax === Number.POSITIVE_INFINITY || plannedMs === undefined)
        return tokens;
      const leftMs = state.aim.plannedMs(itlTargetMs) - plannedMs - copyMs;
      return Math.min(tokens, state.costs.largestChunk(leftMs, depth));
    },
  };
}

type AdmitOutcome = Admission['kind'];

function admitOne(
  state: SchedulerState,
  plan: StepPlan,
  { sequence, promotion, nowMs }: { sequence: Sequence; promotion: HostMatch<ParkedState> | undefined; nowMs: number },
): AdmitOutcome {
  if (sequence.parked !== undefined && restorePays(state, sequence)) {
    const computedCount = sequence.parked.tokenCount;
    const detached = state.cache.admitDetached(sequence.tokenCount, computedCount);
    if (detached.kind !== 'admitted') return detached.kind;
    start(state, sequence, { lease: detached.lease, computedCount, nowMs });
    plan.restores.push({ sequence, seq: detached.lease.seq });
    return 'admitted';
  }
  if (promotion !== undefined) {
    const filled = state.cache.admitToFill(cacheRequest(sequence), promotion.count);
    if (filled.kind !== 'admitted') return filled.kind;
    unpark(state, sequence);
    start(state, sequence, { lease: filled.lease, computedCount: promotion.count, nowMs });
    planPromotion(state, sequence, promotion);
    plan.restores.push({ sequence, seq: filled.lease.seq });
    return 'admitted';
  }
  const isDetached = hasUnscoredPrompt(sequence);
  const admission = isDetached
    ? state.cache.admitDetached(sequence.tokenCount)
    : state.cache.admit(cacheRequest(sequence));
  if (admission.kind !== 'admitted') return admission.kind;
  // Who was preempted finds what it computed itself.
  const isNew = sequence.startedMs === undefined;
  const { cachedTokenCount } = admission.lease;
  const arrivedCount = noteArrived(state, sequence, cachedTokenCount);
  if (isNew && !isDetached) state.foundShare.note(cachedTokenCount - arrivedCount, sequence.tokenCount);
  unpark(state, sequence);
  start(state, sequence, { lease: admission.lease, computedCount: admission.lease.cachedTokenCount, nowMs });
  return 'admitted';
}
