// What planning a step looks at, with 256 sequences running and 10,000 waiting: readings of waiting and running sequences, and
// calls of the cache. Counts, so that a scan of the queue shows on every machine, however fast.

import { expect, test } from 'vitest';
import { createPooledCache } from '../../src/kv/pooled-cache.ts';
import { applyDraws, markComputed, observeStep } from '../../src/scheduler/apply-step.ts';
import { enter } from '../../src/scheduler/lifecycle.ts';
import { planStep } from '../../src/scheduler/plan-step.ts';
import { createSchedulerState, type SchedulerState } from '../../src/scheduler/state.ts';
import { denseLastRows } from '../../src/scheduler/step-batch.ts';
import { shapeOf } from '../../src/scheduler/step-plan.ts';
import { generateCommand } from '../scheduler/driver.ts';
import { stepMsOf } from './bare-kernel.ts';
import { expectCount } from './baselines.ts';
import { countCalls, countReads } from './counted.ts';
import { guardedOptions } from './scheduler-options.ts';

const runningCount = 256;
const promptTokens = 64;

test.each([0, 10_000])('planning beside %i that wait looks at no more than it did', (waitingCount) => {
  const calls = new Map<string, number>();
  const state = crowdedState(waitingCount, calls);
  let waitingReads = 0;
  let runningReads = 0;
  const running = new Set(state.running);
  for (const sequence of state.sequences.values()) {
    const isRunning = running.has(sequence);
    countReads(sequence, () => {
      if (isRunning) runningReads += 1;
      else waitingReads += 1;
    });
  }
  calls.clear();
  const plan = planStep(state, 1000);
  expect(plan?.chunks.length).toBe(runningCount);
  const name = `plan, ${runningCount} running, ${waitingCount} waiting:`;
  expectCount(`${name} readings of waiting sequences`, waitingReads);
  expectCount(`${name} readings of running sequences`, runningReads);
  // What the cache is asked for.
  for (const method of ['extend', 'cachedTokenCount', 'admit', 'stats', 'release', 'check'])
    expectCount(`${name} calls of cache.${method}`, calls.get(method) ?? 0);

  waitingReads = 0;
  enter(state, commandOf(20_000), 20_000);
  expectCount(`${name} readings of those that wait when one more comes`, waitingReads);
  waitingReads = 0;
  const first = state.queue.peek();
  if (first !== undefined) state.queue.remove(first);
  expectCount(`${name} readings of those that wait when one leaves`, waitingReads);
});

/** As many sequences decoding as may, and others waiting behind them. */
function crowdedState(waitingCount: number, calls: Map<string, number>): SchedulerState {
  const cache = createPooledCache({ blockCount: 1 << 13, blockTokens: 16, cacheSeqCount: 256 });
  const state = createSchedulerState(guardedOptions(runningCount), countCalls(cache, calls));
  for (let id = 1; id <= runningCount; id += 1) enter(state, commandOf(id), id);
  for (let step = 0; step < 224; step += 1) takeStep(state, runningCount + step);
  for (let id = 1; id <= waitingCount; id += 1) enter(state, commandOf(runningCount + id), runningCount + id);
  return state;
}

function takeStep(state: SchedulerState, nowMs: number): void {
  const plan = planStep(state, nowMs);
  if (plan === undefined) return;
  state.quietSteps.note(shapeOf(plan));
  state.cache.takeOps();
  const drawing = markComputed(state, plan, { lastRows: denseLastRows(plan), nowMs });
  applyDraws(state, drawing, { tokens: new Int32Array(drawing.rows.length).fill(7), nowMs });
  observeStep(state, plan, stepMsOf(plan.tokenCount));
}

function commandOf(id: number) {
  const tokens = Array.from({ length: promptTokens }, (_, index) => (Math.imul(id, 7919) + index) & 0xffff);
  return generateCommand({ ids: [id], tokens, outputTokensMax: 10_000 });
}
