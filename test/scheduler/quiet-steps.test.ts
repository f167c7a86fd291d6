// Steps without prompts while prompts wait, and what a server that starts into a full queue makes of them.

import { expect, it } from 'vitest';
import { simulate } from '../../bench/simulation/simulator.ts';
import { createPooledCache } from '../../src/kv/pooled-cache.ts';
import { createFadingLine } from '../../src/scheduler/fading-line.ts';
import { createQuietSteps } from '../../src/scheduler/quiet-steps.ts';
import { createScheduler } from '../../src/scheduler/scheduler.ts';
import type { Proposer } from '../../src/scheduler/speculation/types.ts';
import { denseLastRows } from '../../src/scheduler/step-batch.ts';
import { shapeOf } from '../../src/scheduler/step-plan.ts';
import { generateCommand } from './driver.ts';
import { plainOptions } from './pooled-rig.ts';

it('are due once for each doubling of decoding sequences, and again after 64 steps with prompts', () => {
  const steps = createQuietSteps();
  expect([0, 1, 7, 8].map(steps.isDue)).toEqual([false, true, true, true]);
  steps.note({ decodeCount: 7, promptTokenCount: 0 });
  expect([4, 7, 8].map(steps.isDue)).toEqual([false, false, true]);
  for (let step = 0; step < 63; step++) steps.note({ decodeCount: 7, promptTokenCount: 9 });
  expect(steps.isDue(5)).toBe(false);
  steps.note({ decodeCount: 0, promptTokenCount: 9 });
  expect(steps.isDue(5)).toBe(true);
});

it('let a server that starts into a full queue find chunks that are worth their fixed part', () => {
  const rows = Array.from({ length: 200 }, () => ({ arrivalMs: 0, promptTokens: 300, outputTokens: 64, blockIds: [] }));
  const { finished, virtualMs } = simulate({
    rows,
    // An 8B model on a large GPU.
    cost: { stepMs: 8.4, sequenceMs: 0.15, promptTokenMs: 0.09, attentionMs: 0 },
    blockCount: 4096,
    blockTokens: 16,
    scheduling: { sequencesMax: 64, stepTokensMax: 2048, itlTargetMs: 0, policy: 'fcfs', preemption: 'auto' },
    waitingSequencesMax: 1000,
  });
  expect(finished.length).toBe(200);
  // 5.4 s for the prompts and 3.6 s for 200 steps of 64; with 64 tokens of a prompt in each step it took 15 s.
  expect(virtualMs).toBeLessThan(11_000);
});

/** Right about draws that are all 0. */
const alwaysRight: Proposer = {
  evidenceLevels: 1,
  follow: () => ({
    propose: (_sequence, countMax) => {
      const tokens = new Int32Array(countMax);
      return { by: 'lookup', tokens, availableCount: 4, evidence: 0, evidenceMax: 0 };
    },
  }),
};

it('compute no guesses, of which nothing would be learned about decoding alone', () => {
  const cache = createPooledCache({ blockCount: 2000, blockTokens: 4, cacheSeqCount: 4 });
  const speculation = { proposer: alwaysRight, draftTokensMax: 4, extraRowsMax: 8, equalRows: false };
  const sizes = { sequencesMax: 2, stepTokensMax: 64, contextTokensMax: 6000 };
  const scheduler = createScheduler({ ...plainOptions, ...sizes, speculation }, cache);
  let nowMs = 0;
  function step() {
    const plan = scheduler.plan(nowMs);
    if (plan === undefined) throw new Error('somebody decodes all the time');
    cache.takeOps();
    const { promptTokenCount } = shapeOf(plan);
    const ms = 10 + 0.1 * plan.extraRows + 0.05 * promptTokenCount;
    nowMs += ms;
    const drawing = scheduler.computed(plan, { lastRows: denseLastRows(plan), nowMs });
    scheduler.drawn(drawing, { tokens: new Int32Array(drawing.rows.length), nowMs });
    scheduler.observe(plan, ms);
    return { promptTokenCount, extraRows: plan.extraRows };
  }
  function submit(id: number, tokenCount: number, outputTokensMax: number): void {
    const tokens = Array.from({ length: tokenCount }, (_, place) => 100 * id + place);
    scheduler.submit({ ...generateCommand({ ids: [id], tokens, outputTokensMax }), ignoreEos: true }, nowMs);
  }
  submit(1, 4, 5000);
  const alone = Array.from({ length: 60 }, step);
  expect(alone.filter(({ extraRows }) => extraRows > 0).length).toBeGreaterThan(30);
  for (let id = 2; id < 200; id++) submit(id, 40, 1);
  const beside = Array.from({ length: 150 }, step);
  const quiet = beside.filter(({ promptTokenCount }) => promptTokenCount === 0);
  expect(quiet).toEqual([
    { promptTokenCount: 0, extraRows: 0 },
    { promptTokenCount: 0, extraRows: 0 },
  ]);
});

it('tell how many rows cost as much as a pass without any, once they differ', () => {
  const line = createFadingLine(0.97);
  expect(line.unitsAtZero()).toBeUndefined();
  for (let step = 0; step < 50; step++) line.add(64, 17.8);
  expect(line.unitsAtZero()).toBeUndefined();
  for (const rows of [1, 8, 32]) line.add(rows, 8.4 + 0.147 * rows);
  expect(line.unitsAtZero()).toBeCloseTo(8.4 / 0.147, 0);
});
