// Turns of two engines on one clock each, and the account from undisturbed steps.

import { describe, expect, it } from 'vitest';
import { accountFor } from '../../bench/turns/account.ts';
import { shapesOf } from '../../bench/turns/shapes.ts';
import type { NotedStep, SideRun, StepKind } from '../../bench/turns/side.ts';
import { createTurns } from '../../bench/turns/turns.ts';

describe('turns', () => {
  it('go from one side to the other at the step that passes their time, and count for who had them', async () => {
    let nowMs = 0;
    const turns = createTurns(10, () => nowMs);
    const order: string[] = [];
    /** Five steps of so many milliseconds each. */
    const compute = async (side: number, stepMs: number): Promise<void> => {
      for (let step = 0; step < 5; step++) {
        await turns.enter(side);
        order.push(String(side));
        nowMs += stepMs;
      }
      turns.leave(side);
    };
    await Promise.all([compute(0, 6), compute(1, 20)]);
    // Two steps of 6 fill a turn of 10, one of 20 does; who is left computes on.
    expect(order.join('')).toBe('0010010111');
    expect([turns.clockMs(0), turns.clockMs(1)]).toEqual([30, 100]);
  });
});

function steps(kind: StepKind, count: number, step: Partial<NotedStep>): NotedStep[] {
  return Array.from({ length: count }, () => ({
    kind,
    sequenceCount: 1,
    rowCount: 1,
    stepMs: 10,
    tokenCount: 1,
    ...step,
  }));
}

function sideOf(noted: readonly NotedStep[]): SideRun {
  return { steps: noted, tokenAtMs: [], ms: 0, planMs: [], draftTokenCount: 0, acceptedTokenCount: 0, texts: [] };
}

describe('the account', () => {
  const off = sideOf([...steps('plain', 50, {}), ...steps('plain', 1, { stepMs: 5000 })]);

  it('takes each step at the lower quartile of its like', () => {
    const on = sideOf([
      ...steps('plain', 20, { stepMs: 10.1 }),
      ...steps('guesses', 5, { rowCount: 8, stepMs: 30, tokenCount: 6 }),
      ...steps('guesses', 1, { rowCount: 8, stepMs: 900, tokenCount: 6 }),
    ]);
    expect(accountFor(off, on)).toBeCloseTo((20 * 10 + 36 * 10) / (20 * 10.1 + 6 * 30), 9);
    expect(accountFor(off, off)).toBe(1);
  });

  it('counts steps that read prompts alike for both, as one shape', () => {
    const prompts = [...steps('prompt', 1, { rowCount: 64 }), ...steps('prompt', 1, { rowCount: 80, stepMs: 30 })];
    expect(shapesOf(prompts)).toMatchObject([{ kind: 'prompt', count: 2, quietMs: 10 }]);
    expect(accountFor(off, sideOf([...prompts, ...steps('plain', 4, { stepMs: 20 })]))).toBeCloseTo(60 / 100, 9);
  });
});
