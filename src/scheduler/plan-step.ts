// What the next step computes: decoding sequences first, then prompts in chunks, then new admissions, within a budget.
// Why no phases: every sequence has tokens and computed tokens; a step spends its budget to close gaps (vLLM v1's idea).
// The plan is data. The engine loop performs, in this order: parks, cache operations, the start of copies beside steps, restores, the batch.

import { octetError } from '../errors.ts';
import { type AdapterName, nextAdapter } from './adapter-turns.ts';
import { admitWaiting } from './admit-waiting.ts';
import { gather } from './gather.ts';
import { fail, leaseOf } from './lifecycle.ts';
import { hasPrompts, hasTurn, planPrompts, promptBudget } from './plan-prompts.ts';
import { preemptInto, victimOf } from './preempt.ts';
import { uncomputedCount } from './sequence.ts';
import type { SchedulerState } from './state.ts';
import { addChunk, emptyPlan, hasOneRowEach, type StepPlan } from './step-plan.ts';

/** Plans a step; undefined when there is nothing to compute. O(running + admitted). */
export function planStep(state: SchedulerState, nowMs: number): StepPlan | undefined {
  const plan = emptyPlan();
  secureBlocks(state, plan);
  plan.gatherCopyCount = gather(state);
  plan.adapter = adapterOfStep(state);
  const budget = planRunning(state, plan, nowMs);
  admitWaiting(state, plan, { budget, nowMs });
  if (plan.tokenCount === 0 && state.running.length > 0) {
    // Those who had the turn were displaced by one of another adapter.
    plan.adapter = adapterOfStep(state);
    planRunning(state, plan, nowMs);
  }
  // llama.cpp computes sequences with slabs (or states) of their own together only where their ids follow one another.
  plan.chunks.sort((a, b) => a.seq - b.seq);
  plan.onlyDecodesAll = plan.chunks.length === state.sequences.size && hasOneRowEach(plan);
  if (plan.tokenCount > 0 || plan.parks.length > 0 || plan.restores.length > 0 || plan.besideCopies.length > 0)
    return plan;
  if (state.running.length === 0 && !isCopyingBeside(state)) failStuck(state);
  return undefined;
}

/** Whether there will be room, or content, that is waited for. */
function isCopyingBeside({ beside }: SchedulerState): boolean {
  return beside !== undefined && beside.underWay.size > 0;
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
  if (!hasPrompts(state) || state.quietSteps.isDue(plan.chunks.length)) return 0;
  return planPrompts(state, plan, promptBudget(state, plan, nowMs));
}

function planDecodes(state: SchedulerState, plan: StepPlan): void {
  for (const sequence of state.running) {
    if (uncomputedCount(sequence) !== 1 || !hasTurn(plan, sequence)) continue;
    if (plan.tokenCount < state.options.stepTokensMax) addChunk(plan, sequence, 1);
  }
}
