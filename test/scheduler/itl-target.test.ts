// The inter-token target over the whole scheduler: requests that come at random, on the simulator's machine.

import { describe, expect, it } from 'vitest';
import { createRandom, exponentialMs } from '../../bench/random.ts';
import { type SimulatedRequest, simulate } from '../../bench/simulation/simulator.ts';
import type { TraceRow } from '../../bench/trace.ts';

/** About what two cores make of a model of 135 million parameters. */
const cost = { stepMs: 12, sequenceMs: 1.6, promptTokenMs: 1.5, attentionMs: 4.8 };

function arrivals(count: number): TraceRow[] {
  const random = createRandom(7);
  let arrivalMs = 0;
  return Array.from({ length: count }, () => {
    arrivalMs += exponentialMs(random, 2.2);
    const promptTokens = 20 + Math.floor(160 * random());
    return { arrivalMs, promptTokens, outputTokens: 5 + Math.floor(40 * random()), blockIds: [] };
  });
}

function run(itlTargetMs: number): readonly SimulatedRequest[] {
  const scheduling = {
    sequencesMax: 32,
    stepTokensMax: 2048,
    itlTargetMs,
    policy: 'fcfs',
    preemption: 'auto',
  } as const;
  const rows = arrivals(300);
  return simulate({ rows, cost, blockCount: 1024, blockTokens: 16, scheduling, waitingSequencesMax: 1000 }).finished;
}

function share(requests: readonly SimulatedRequest[], isGood: (request: SimulatedRequest) => boolean): number {
  return requests.filter(isGood).length / requests.length;
}

describe('an explicit inter-token target', () => {
  it('holds for nearly every stream to its longest gap, and first tokens are hardly later than with whole prompts', () => {
    const targeted = run(200);
    const whole = run(60_000);
    expect(targeted.length).toBe(300);
    expect(share(whole, ({ itlMsMax }) => itlMsMax <= 200)).toBeLessThan(0.8);
    expect(share(targeted, ({ itlMsMax }) => itlMsMax <= 200)).toBeGreaterThan(0.93);
    const inTime = ({ ttftMs }: SimulatedRequest) => ttftMs <= 2000;
    expect(share(targeted, inTime)).toBeGreaterThan(share(whole, inTime) - 0.05);
  });
});
