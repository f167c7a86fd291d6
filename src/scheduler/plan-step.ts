// What the next step computes: decoding sequences first, then prompts in chunks, then new admissions, within a budget.
// Why no phases: every sequence has tokens and computed tokens; a step spends its budget to close gaps (vLLM v1's idea).
// The plan is data. The engine loop performs, in this order: parks, cache operations, restores, the batch.

import { octetError } from '../errors.ts';
import type { ParkedState } from '../kernel-port.ts';
import type { HostMatch } from '../kv/host-prefixes.ts';
import type { Admission } from '../kv/types.ts';
import { type AdapterName, nextAdapter } from './adapter-turns.ts';
import { computeMs, copyMsMax, copyMsOf, planPromotion, promotionOf, stateBytes } from './host-copies.ts';
import { fail, leaseOf, start, unpark } from './lifecycle.ts';
import { type Park, preempt, victimOf } from './preempt.ts';
import { promptTokensWithin } from './prompt-budget.ts';
import { countWithinRows, hasUnscoredPrompt } from './prompt-scores.ts';
import { cacheRequest, type Sequence, uncomputedCount } from './sequence.ts';
import type { SchedulerState } from './state.ts';
import { addChunk, removeChunk, type StepPlan, shapeOf } from './step-plan.ts';

/** Waiting sequences that may be passed over in one step because their prefix is being computed by another. */
const pendingSkipsMax = 256;

/** Plans a step; undefined when there is nothing to compute. O(running + admitted). */
export function planStep(state: SchedulerState, nowMs: number): StepPlan | undefined {
  const parks: Park[] = [];
  secureBlocks(state, parks);
  const plan: StepPlan = {
    adapter: adapterOfStep(state),
    chunks: [],
    parks,
    restores: [],
    tokenCount: 0,
    extraRows: 0,
  };
  const budget = planRunning(state, plan, nowMs);
  admitWaiting(state, plan, { budget, nowMs });
  if (plan.tokenCount === 0 && state.running.length > 0) {
    // Those who had the turn were displaced by one of another adapter.
    plan.adapter = adapterOfStep(state);
    planRunning(state, plan, nowMs);
  }
  // llama.cpp computes sequences with slabs (or states) of their own together only where their ids follow one another.
  plan.chunks.sort((a, b) => a.seq - b.seq);
  if (plan.tokenCount > 0 || plan.parks.length > 0 || plan.restores.length > 0) return plan;
  if (state.running.length === 0) failStuck(state);
  return undefined;
}

/** With nothing running the first in line must get in; if it does not, that is a bug, and waiting forever would hide it. */
function failStuck(state: SchedulerState): void {
  const stuck = state.queue.peek();
  if (stuck === undefined) return;
  const message = `Nothing runs, yet ${stuck.tokenCount} tokens found no room in the cache. This is a bug in Octet.`;
  fail(state, stuck, octetError('internal_error', message), 'keep');
}

/** Every running sequence gets blocks for its next token, the first in rank at the cost of the last. */
function secureBlocks(state: SchedulerState, parks: Park[]): void {
  for (const sequence of [...state.running]) {
    while (sequence.state === 'running' && !state.cache.extend(leaseOf(sequence), sequence.tokenCount)) {
      preemptInto(state, parks, victimOf(state) ?? sequence);
    }
  }
}

function preemptInto(state: SchedulerState, parks: Park[], victim: Sequence): void {
  const park = preempt(state, victim);
  if (park !== undefined) parks.push(park);
}

/** Whose turn it is among running sequences; where nothing runs, the first in line decides. */
export function adapterOfStep({ running, queue, turns }: SchedulerState): AdapterName {
  if (running.length > 0)
    return nextAdapter(
      turns,
      running.map(({ command }) => command.adapter),
    );
  const first = queue.peek();
  return first === undefined ? turns.current : first.command.adapter;
}

/** Computes those that run and have the turn; answers what is left of the budget for prompts. */
function planRunning(state: SchedulerState, plan: StepPlan, nowMs: number): number {
  planDecodes(state, plan);
  // Most steps only decode, and what a prompt might cost takes longer to find out than all the rest of their plan.
  return hasPrompts(state) ? planPrompts(state, plan, promptBudget(state, plan, nowMs)) : 0;
}

/** Whether anybody reads a prompt, or waits to. */
function hasPrompts({ queue, running }: SchedulerState): boolean {
  return queue.peek() !== undefined || running.some((sequence) => uncomputedCount(sequence) > 1);
}

function planDecodes(state: SchedulerState, plan: StepPlan): void {
  for (const sequence of state.running) {
    if (uncomputedCount(sequence) !== 1 || !hasTurn(plan, sequence)) continue;
    if (plan.tokenCount < state.options.stepTokensMax) addChunk(plan, sequence, 1);
  }
}

function hasTurn(plan: StepPlan, { command }: Sequence): boolean {
  return command.adapter === plan.adapter;
}

/** Sequences that decode under other adapters wait for this step as well, so the step is measured against all of them. */
function promptBudget(state: SchedulerState, plan: StepPlan, nowMs: number): number {
  const first = state.queue.peek();
  const others = state.running.filter((sequence) => uncomputedCount(sequence) === 1 && !hasTurn(plan, sequence));
  const decodeCount = plan.chunks.length + others.length;
  // Nobody could use it: the usual step looks no further.
  if (state.sequences.size === decodeCount) return 0;
  return promptTokensWithin(state.costs, {
    decodeCount,
    promptCount: state.sequences.size - decodeCount,
    promptDepth: nextPromptDepth(state, plan),
    itlTargetMs: state.aim.plannedMs(state.options.itlTargetMs),
    queueMs: first === undefined ? 0 : Math.max(nowMs - first.arrivedMs, 0),
    budgetTokens: state.options.stepTokensMax + others.length,
  });
}

/** How far the prompt that is read next has come; one that is admitted now begins about where it is cached. */
function nextPromptDepth(state: SchedulerState, plan: StepPlan): number {
  const reading = state.running.find((sequence) => uncomputedCount(sequence) > 1 && hasTurn(plan, sequence));
  return reading?.computedCount ?? state.queue.peek()?.cachedAtArrival ?? 0;
}

/** Continues prompts that are being read; answers what is left of the budget. */
function planPrompts(state: SchedulerState, plan: StepPlan, budget: number): number {
  let left = budget;
  for (const sequence of state.running) {
    if (left <= 0) break;
    if (uncomputedCount(sequence) <= 1 || !hasTurn(plan, sequence)) continue;
    const count = chunkOf(state, plan, { sequence, left });
    if (count === 0) continue;
    addChunk(plan, sequence, count);
    left -= count;
  }
  return left;
}

/**
 * A prompt may go over the budget by this share where that finishes it: a crumb costs a step's fixed part once more.
 * Not where a target was asked for: then a gap that is longer is one too long.
 */
const finishingShare = 1.5;

function chunkOf(
  state: SchedulerState,
  plan: StepPlan,
  { sequence, left }: { sequence: Sequence; left: number },
): number {
  const missing = uncomputedCount(sequence);
  const roomTokens = state.options.stepTokensMax - plan.tokenCount;
  const share = state.options.itlTargetMs > 0 ? 1 : finishingShare;
  const count = missing <= Math.min(left * share, roomTokens) ? missing : Math.min(missing, left, roomTokens);
  if (!hasUnscoredPrompt(sequence)) return count;
  const scoredCount = plan.chunks.reduce((sum, { scored }) => sum + (scored?.count ?? 0), 0);
  return countWithinRows(sequence, count, (state.options.scoredRowsMax ?? Number.POSITIVE_INFINITY) - scoredCount);
}

interface AdmissionBudget {
  budget: number;
  readonly nowMs: number;
}

/**
 * In order of rank, whatever the adapter: those of another one get their lease now and are computed when it has its turn.
 * No more of them than that turn's first step could read, or their blocks would lie idle.
 */
function admitWaiting(state: SchedulerState, plan: StepPlan, budget: AdmissionBudget): void {
  const passedOver: Sequence[] = [];
  const copies = startCopies(state, plan);
  let left = budget.budget;
  let laterLeft = state.options.stepTokensMax;
  while (passedOver.length < pendingSkipsMax) {
    const sequence = state.queue.peek();
    if (sequence === undefined) break;
    if ((hasTurn(plan, sequence) ? left : laterLeft) <= 0) break;
    if (!makePlace(state, plan, sequence)) break;
    const promotion = promotionOf(state, sequence);
    if (!copies.allow(promotion)) break;
    state.queue.remove(sequence);
    const outcome = admitOne(state, plan, { sequence, promotion, nowMs: budget.nowMs });
    if (outcome === 'admitted' && !hasTurn(plan, sequence)) {
      laterLeft -= uncomputedCount(sequence);
      continue;
    }
    if (outcome === 'admitted') {
      left = copies.leave(left, sequence.computedCount);
      const count = chunkOf(state, plan, { sequence, left });
      if (count > 0) addChunk(plan, sequence, count);
      left -= count;
      continue;
    }
    passedOver.push(sequence);
    // No room for the first in line: nobody behind it may overtake, or a large request would starve.
    if (outcome !== 'pending-prefix') break;
  }
  for (const sequence of passedOver) state.queue.push(sequence);
}

/** Whether another sequence may run beside those that do; under `priority` a lower-ranked one makes place. */
function makePlace(state: SchedulerState, plan: StepPlan, waiting: Sequence): boolean {
  if (state.running.length < state.options.sequencesMax && hasHeadroom(state, waiting)) return true;
  const victim = victimOf(state);
  if (victim === undefined || !state.queue.displaces(waiting, victim)) return false;
  // A sequence that is already in this plan must not lose its lease under it.
  removeChunk(plan, victim);
  preemptInto(state, plan.parks, victim);
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
  const admission = hasUnscoredPrompt(sequence)
    ? state.cache.admitDetached(sequence.tokenCount)
    : state.cache.admit(cacheRequest(sequence));
  if (admission.kind !== 'admitted') return admission.kind;
  unpark(state, sequence);
  start(state, sequence, { lease: admission.lease, computedCount: admission.lease.cachedTokenCount, nowMs });
  return 'admitted';
}

/** Restoring costs a copy of everything; if the prefix tree still has most of it, recomputing the rest is cheaper. */
function restorePays(state: SchedulerState, sequence: Sequence): boolean {
  const parkedCount = sequence.parked?.tokenCount ?? 0;
  const cachedCount = state.cache.cachedTokenCount(cacheRequest(sequence));
  const restoreMs = state.copyCosts.ms('restore', sequence.parked?.bytes.byteLength ?? 0);
  return computeMs(state, cachedCount, parkedCount) > restoreMs || state.options.preemption === 'park';
}
