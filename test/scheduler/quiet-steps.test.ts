// Steps without prompts while prompts wait, and what a server that starts into a full queue makes of them.

import { expect, it } from 'vitest';
import { simulate } from '../../bench/simulation/simulator.ts';
import { createFadingLine } from '../../src/scheduler/fading-line.ts';
import { createQuietSteps } from '../../src/scheduler/quiet-steps.ts';

it('are due once for each doubling of decoding sequences, and again after 64 steps with prompts', () => {
  const steps = createQuietSteps();
  expect([0, 1, 7, 8].map(steps.isDue)).toEqual([false, true, true, true]);
  steps.noteQuiet(7);
  expect([4, 7, 8].map(steps.isDue)).toEqual([false, false, true]);
  for (let step = 0; step < 63; step++) steps.notePrompts();
  expect(steps.isDue(5)).toBe(false);
  steps.notePrompts();
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

it('tell how many rows cost as much as a pass without any, once they differ', () => {
  const line = createFadingLine(0.97);
  expect(line.unitsAtZero()).toBeUndefined();
  for (let step = 0; step < 50; step++) line.add(64, 17.8);
  expect(line.unitsAtZero()).toBeUndefined();
  for (const rows of [1, 8, 32]) line.add(rows, 8.4 + 0.147 * rows);
  expect(line.unitsAtZero()).toBeCloseTo(8.4 / 0.147, 0);
});
