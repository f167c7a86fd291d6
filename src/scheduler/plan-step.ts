// What the next step computes: decoding sequences first, then prompts in chunks, then new admissions, within a budget.
// Why no phases: every sequence has tokens and computed tokens; a step spends its budget to close gaps (vLLM v1's idea).
// The plan is data. The engine loop performs, in this order: parks, cache operations, restores, the batch.

import { octetError } from '../errors.ts';
import type { CacheSeqId } from '../ids.ts';
import type { Admission } from '../kv/types.ts';
import type { StepShape } from './cost-model.ts';
import { fail, leaseOf, start, unpark } from './lifecycle.ts';
import { type Park, preempt, victimOf } from './preempt.ts';
import { promptTokensWithin } from './prompt-budget.ts';
import { countWithinRows, hasUnscoredPrompt, type ScoredRun, scoredRun } from './prompt-scores.ts';
import { cacheRequest, type Sequence, uncomputedCount } from './sequence.ts';
import type { Draft } from './speculation/types.ts';
import type { SchedulerState } from './state.ts';

/** A run of one sequence's tokens in the step's batch. */
export interface PlannedChunk {
  readonly sequence: Sequence;
  readonly seq: CacheSeqId;
  /** First token's position, which is also its index in `sequence.tokens`. */
  readonly from: number;
  readonly count: number;
  /** The chunk ends at the sequence's last token, so a new one is drawn from its last row. */
  readonly draws: boolean;
  /** Rows whose logits are wanted for log-probabilities of the prompt. */
  readonly scored?: ScoredRun | undefined;
  /** A guess of what follows: the chunk's last `draft.rowCount` tokens are no tokens of the sequence yet. */
  readonly draft?: Draft | undefined;
}

/** A parked state to put back under the sequence's new native id. */
export interface Restore {
  readonly sequence: Sequence;
  readonly seq: CacheSeqId;
}

export interface StepPlan {
  readonly chunks: PlannedChunk[];
  readonly parks: Park[];
  readonly restores: Restore[];
  tokenCount: number;
  /** Rows that are computed for guesses alone. */
  extraRows: number;
}

/** Waiting sequences that may be passed over in one step because their prefix is being computed by another. */
const pendingSkipsMax = 256;

/** Plans a step; undefined when there is nothing to compute. O(running + admitted). */
export function planStep(state: SchedulerState, nowMs: number): StepPlan | undefined {
  const plan: StepPlan = { chunks: [], parks: [], restores: [], tokenCount: 0, extraRows: 0 };
  secureBlocks(state, plan);
  const decodeCount = planDecodes(state, plan);
  let budget = promptBudget(state, decodeCount, nowMs);
  budget = planPrompts(state, plan, budget);
  admitWaiting(state, plan, { budget, nowMs });
  // llama.cpp computes sequences with slabs (or states) of their own together only where their ids follow one another.
  plan.chunks.sort((a, b) => a.seq - b.seq);
  if (plan.tokenCount > 0 || plan.parks.length > 0) return plan;
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
function secureBlocks(state: SchedulerState, plan: StepPlan): void {
  for (const sequence of [...state.running]) {
    while (sequence.state === 'running' && !state.cache.extend(leaseOf(sequence), sequence.tokenCount)) {
      preemptInto(state, plan, victimOf(state) ?? sequence);
    }
  }
}

function preemptInto(state: SchedulerState, plan: StepPlan, victim: Sequence): void {
  const park = preempt(state, victim);
  if (park !== undefined) plan.parks.push(park);
}

function planDecodes(state: SchedulerState, plan: StepPlan): number {
  for (const sequence of state.running) {
    if (uncomputedCount(sequence) === 1 && plan.tokenCount < state.options.stepTokensMax) addChunk(plan, sequence, 1);
  }
  return plan.chunks.length;
}

function promptBudget(state: SchedulerState, decodeCount: number, nowMs: number): number {
  const first = state.queue.peek();
  return promptTokensWithin(state.costs, {
    decodeCount,
    promptCount: state.sequences.size - decodeCount,
    promptDepth: nextPromptDepth(state),
    itlTargetMs: state.options.itlTargetMs,
    queueMs: first === undefined ? 0 : Math.max(nowMs - first.arrivedMs, 0),
    budgetTokens: state.options.stepTokensMax,
  });
}

/** How far the prompt that is read next has come; one that is admitted now begins about where it is cached. */
function nextPromptDepth(state: SchedulerState): number {
  const reading = state.running.find((sequence) => uncomputedCount(sequence) > 1);
  return reading?.computedCount ?? state.queue.peek()?.cachedAtArrival ?? 0;
}

/** Continues prompts that are being read; answers what is left of the budget. */
function planPrompts(state: SchedulerState, plan: StepPlan, budget: number): number {
  let left = budget;
  for (const sequence of state.running) {
    if (left <= 0) break;
    if (uncomputedCount(sequence) <= 1) continue;
    const count = chunkOf(state, plan, { sequence, left });
    if (count === 0) continue;
    addChunk(plan, sequence, count);
    left -= count;
  }
  return left;
}

/** A prompt may go over the budget by this share where that finishes it: a crumb costs a step's fixed part once more. */
const finishingShare = 1.5;

function chunkOf(
  state: SchedulerState,
  plan: StepPlan,
  { sequence, left }: { sequence: Sequence; left: number },
): number {
  const missing = uncomputedCount(sequence);
  const roomTokens = state.options.stepTokensMax - plan.tokenCount;
  const count = missing <= Math.min(left * finishingShare, roomTokens) ? missing : Math.min(missing, left, roomTokens);
  if (!hasUnscoredPrompt(sequence)) return count;
  const scoredCount = plan.chunks.reduce((sum, { scored }) => sum + (scored?.count ?? 0), 0);
  return countWithinRows(sequence, count, (state.options.scoredRowsMax ?? Number.POSITIVE_INFINITY) - scoredCount);
}

interface AdmissionBudget {
  budget: number;
  readonly nowMs: number;
}

function admitWaiting(state: SchedulerState, plan: StepPlan, budget: AdmissionBudget): void {
  const passedOver: Sequence[] = [];
  let left = budget.budget;
  while (left > 0 && passedOver.length < pendingSkipsMax) {
    const sequence = state.queue.peek();
    if (sequence === undefined) break;
    if (!makePlace(state, plan, sequence)) break;
    state.queue.remove(sequence);
    const outcome = admitOne(state, plan, { sequence, nowMs: budget.nowMs });
    if (outcome === 'admitted') {
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
  if (plan.chunks.some((chunk) => chunk.sequence === victim)) removeChunk(plan, victim);
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

type AdmitOutcome = Admission['kind'];

function admitOne(
  state: SchedulerState,
  plan: StepPlan,
  { sequence, nowMs }: { sequence: Sequence; nowMs: number },
): AdmitOutcome {
  if (sequence.parked !== undefined && restorePays(state, sequence)) {
    const computedCount = sequence.parked.tokenCount;
    const detached = state.cache.admitDetached(sequence.tokenCount);
    if (detached.kind !== 'admitted') return detached.kind;
    start(state, sequence, { lease: detached.lease, computedCount, nowMs });
    plan.restores.push({ sequence, seq: detached.lease.seq });
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
  const missing = { tokens: parkedCount - cachedCount, depth: (parkedCount + cachedCount) / 2 };
  const perTokenMs = state.costs.promptTokenMs(missing) ?? 0;
  const restoreMs = (sequence.parked?.bytes.byteLength ?? 0) / state.parkBytesPerMs;
  return missing.tokens * perTokenMs > restoreMs || state.options.preemption === 'park';
}

function addChunk(plan: StepPlan, sequence: Sequence, count: number): void {
  plan.chunks.push({
    sequence,
    seq: leaseOf(sequence).seq,
    from: sequence.computedCount,
    count,
    draws: sequence.computedCount + count === sequence.tokenCount,
    scored: scoredRun(sequence, sequence.computedCount, count),
  });
  plan.tokenCount += count;
}

/** Takes a sequence out of a plan that was not performed yet: its tokens, and its restore if it has one. */
export function removeChunk(plan: StepPlan, sequence: Sequence): void {
  const index = plan.chunks.findIndex((chunk) => chunk.sequence === sequence);
  const [removed] = index < 0 ? [] : plan.chunks.splice(index, 1);
  plan.tokenCount -= removed?.count ?? 0;
  const restoreIndex = plan.restores.findIndex((restore) => restore.sequence === sequence);
  if (restoreIndex >= 0) plan.restores.splice(restoreIndex, 1);
}

/** The step as the cost model sees it. */
export function shapeOf(plan: StepPlan): StepShape {
  let decodeCount = 0;
  let promptTokenCount = 0;
  let depthSum = 0;
  for (const chunk of plan.chunks) {
    const count = ownCount(chunk);
    if (count === 1 && chunk.draws) decodeCount += 1;
    else {
      promptTokenCount += count;
      depthSum += count * (chunk.from + count / 2);
    }
  }
  return { decodeCount, promptTokenCount, promptDepth: promptTokenCount === 0 ? 0 : depthSum / promptTokenCount };
}

/** Tokens of a chunk that the sequence has, guesses left out. */
export function ownCount({ count, draft }: PlannedChunk): number {
  return count - (draft?.rowCount ?? 0);
}
