// What speculation learns: how often guesses come true, what rows cost, and when to leave a sequence in peace.

import { describe, expect, it } from 'vitest';
import {
  acceptanceRate,
  createOwnRecord,
  createTally,
  expectedTokens,
  learnFrom,
} from '../../../src/scheduler/speculation/acceptance.ts';
import { createLookupProposer } from '../../../src/scheduler/speculation/lookup-proposer.ts';
import { createRowCost } from '../../../src/scheduler/speculation/row-cost.ts';
import {
  createFollower,
  createSpeculation,
  noteMisses,
  noteStep,
} from '../../../src/scheduler/speculation/speculation.ts';

const costs = { plainMs: () => 8, promptTokenMs: () => 1.5 };

describe('acceptance', () => {
  it('judges a new sequence by others, and soon by itself', () => {
    const others = createTally();
    const poor = createOwnRecord();
    for (let count = 0; count < 50; count++) learnFrom({ own: poor, others }, { accepted: 0, parted: true });
    expect(acceptanceRate(createOwnRecord(), others)).toBeLessThan(0.1);
    const copying = createOwnRecord();
    learnFrom({ own: copying, others }, { accepted: 8, parted: false });
    expect(acceptanceRate(copying, others)).toBeGreaterThan(0.6);
    expect(acceptanceRate(poor, others)).toBeLessThan(0.1);
  });

  it('takes one wrong guess among long copies for what it is', () => {
    const others = createTally();
    const copying = createOwnRecord();
    for (let copies = 0; copies < 4; copies++) learnFrom({ own: copying, others }, { accepted: 20, parted: true });
    expect(acceptanceRate(copying, others)).toBeGreaterThan(0.85);
    for (let misses = 0; misses < 10; misses++) learnFrom({ own: copying, others }, { accepted: 0, parted: true });
    expect(acceptanceRate(copying, others)).toBeLessThan(0.75);
  });

  it('expects the sum of the chances of each place', () => {
    expect([...expectedTokens(0.5, 3)]).toEqual([0, 0.5, 0.75, 0.875]);
  });
});

describe('cost of rows', () => {
  const rows = { decodeCount: 1, extraRows: 3 };

  it('begins with what a prompt costs, and then believes what it sees', () => {
    const cost = createRowCost(costs);
    expect(cost.extraMs(rows)).toBe(4.5);
    cost.observe(rows, 12);
    expect(cost.extraMs(rows)).toBe(12);
    // Another number of rows is taken to be as cheap as it may be until it was tried.
    expect(cost.extraMs({ decodeCount: 1, extraRows: 15 })).toBe(22.5);
    expect(createRowCost({ ...costs, promptTokenMs: () => undefined }).extraMs(rows)).toBeUndefined();
  });

  it('is not led astray by one slow step, and forgets in time', () => {
    const cost = createRowCost(costs);
    cost.observe(rows, 6);
    cost.observe(rows, 600);
    expect(cost.extraMs(rows)).toBeLessThan(10);
    for (let count = 0; count < 3000; count++) cost.forget();
    expect(cost.extraMs(rows)).toBeLessThan(5);
  });

  it('knows one sequence from several', () => {
    const cost = createRowCost(costs);
    cost.observe(rows, 12);
    expect(cost.extraMs({ decodeCount: 4, extraRows: 4 })).toBe(6);
  });
});

describe('steps', () => {
  it('are learned from only where they read no prompt', () => {
    const proposer = createLookupProposer({ matchTokensMin: 2, matchTokensMax: 4, windowTokens: 64 });
    const speculation = createSpeculation({ proposer, draftTokensMax: 8, extraRowsMax: 8, equalRows: false }, costs);
    noteStep(speculation, { decodeCount: 1, promptTokenCount: 40, promptDepth: 0, extraRows: 0 }, 100);
    expect(speculation.stepsSincePlain).toBe(0);
    noteStep(speculation, { decodeCount: 1, promptTokenCount: 0, promptDepth: 0, extraRows: 4 }, 18);
    expect(speculation.stepsSincePlain).toBe(1);
    expect(speculation.rowCost.extraMs({ decodeCount: 1, extraRows: 4 })).toBe(10);
    noteStep(speculation, { decodeCount: 1, promptTokenCount: 0, promptDepth: 0, extraRows: 0 }, 8);
    expect(speculation.stepsSincePlain).toBe(0);
  });

  it('leave a sequence in peace for longer and longer while its guesses are wrong', () => {
    const proposer = createLookupProposer({ matchTokensMin: 2, matchTokensMax: 4, windowTokens: 64 });
    const follower = createFollower(
      createSpeculation({ proposer, draftTokensMax: 8, extraRowsMax: 8, equalRows: false }, costs),
    );
    const rests = Array.from({ length: 12 }, () => {
      noteMisses(follower, true);
      return follower.restSteps;
    });
    expect(rests).toEqual([0, 0, 0, 0, 1, 2, 4, 8, 8, 8, 8, 8]);
    noteMisses(follower, false);
    expect(follower.restSteps).toBe(0);
  });
});
