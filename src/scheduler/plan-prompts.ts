// Which prompt tokens a step reads: of those that run, in chunks, within what the streams beside them leave.
// Why apart from admission: a sequence that is admitted reads its first chunk by the same rule as one that goes on.

import { promptTokensWithin } from './prompt-budget.ts';
import { countWithinRows, hasUnscoredPrompt } from './prompt-scores.ts';
import { type Sequence, uncomputedCount } from './sequence.ts';
import type { SchedulerState } from './state.ts';
import { addChunk, type StepPlan } from './step-plan.ts';

/** Whether anybody reads a prompt, or waits to. */
export function hasPrompts({ queue, running }: SchedulerState): boolean {
  return queue.peek() !== undefined || running.some((sequence) => uncomputedCount(sequence) > 1);
}

/** Sequences that decode under other adapters wait for this step as well, so the step is measured against all of them. */
export function promptBudget(state: SchedulerState, plan: StepPlan, nowMs: number): number {
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
export function planPrompts(state: SchedulerState, plan: StepPlan, budget: number): number {
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

/** How many of a sequence's missing tokens the step computes, with `left` of the budget. */
export function chunkOf(
  state: SchedulerState,
  plan: StepPlan,
  { sequence, left }: { sequence: Sequence; left: number },
): number {
  const missing = uncomputedCount(sequence);
  const roomTokens = state.options.stepTokensMax - plan.tokenCount;
  const share = state.options.itlTargetMs > 0 ? 1 : finishingShare;
  const withinRows = hasUnscoredPrompt(sequence)
    ? countWithinRows(sequence, missing, scoredRowsLeft(state, plan))
    : missing;
  // Short of rows for log-probabilities it is not finished, whatever the budget.
  const isFinished = withinRows === missing && missing <= Math.min(left * share, roomTokens);
  const count = isFinished ? missing : Math.min(missing, left, roomTokens);
  if (count < missing && isCrumb(state, plan, { count, depth: sequence.computedCount })) return 0;
  return Math.min(count, withinRows);
}

/** Whether the prompt is not read further because the step's rows for log-probabilities are taken, whatever is left of the budget. */
export function waitsForRows(state: SchedulerState, plan: StepPlan, sequence: Sequence): boolean {
  return hasUnscoredPrompt(sequence) && scoredRowsLeft(state, plan) <= 0;
}

function scoredRowsLeft({ options }: SchedulerState, { chunks }: StepPlan): number {
  const takenCount = chunks.reduce((sum, { scored }) => sum + (scored?.count ?? 0), 0);
  return (options.scoredRowsMax ?? Number.POSITIVE_INFINITY) - takenCount;
}

/**
 * Whether a part of a prompt is too small to be read behind another's in the same step: mostly fixed part, which the rest of it
 * costs again. The first prompt of a step gets what there is, or it would not advance.
 */
function isCrumb(
  { costs }: SchedulerState,
  plan: StepPlan,
  { count, depth }: { readonly count: number; readonly depth: number },
): boolean {
  const isFirst = plan.tokenCount === plan.chunks.length;
  return !isFirst && count < costs.efficientChunk(depth);
}

export function hasTurn(plan: StepPlan, { command }: Sequence): boolean {
  return command.adapter === plan.adapter;
}
