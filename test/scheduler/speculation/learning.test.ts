// What speculation learns: how often guesses come true, what rows cost, and when to leave a sequence in peace.

import { describe, expect, it } from 'vitest';
import {
  acceptanceRate,
  chancesAlong,
  createExperience,
  createOwnRecord,
  createTally,
  learnFrom,
  tallyAt,
} from '../../../src/scheduler/speculation/acceptance.ts';
import { createLookupProposer } from '../../../src/scheduler/speculation/lookup-proposer.ts';
import { createOutcomes, forgetOutcomes, noteOutcome, trustIn } from '../../../src/scheduler/speculation/outcomes.ts';
import { createRowCost, type RowCost } from '../../../src/scheduler/speculation/row-cost.ts';
import {
  createFollower,
  createSpeculation,
  noteMisses,
  noteStep,
} from '../../../src/scheduler/speculation/speculation.ts';

const costs = { promptTokenMs: () => 1.5 };

const wrong = { accepted: 0, parted: true };
const right = (accepted: number) => ({ accepted, parted: false });

describe('acceptance', () => {
  it('thinks little of guesses until their like have come true', () => {
    const others = createTally();
    expect(acceptanceRate(createOwnRecord(), others)).toBeLessThan(0.3);
    for (let count = 0; count < 40; count++) learnFrom({ own: createOwnRecord(), others }, right(1));
    expect(acceptanceRate(createOwnRecord(), others)).toBeGreaterThan(0.8);
  });

  it('judges a new sequence by others, and soon by itself', () => {
    const others = createTally();
    for (let count = 0; count < 50; count++) learnFrom({ own: createOwnRecord(), others }, right(1));
    const poor = createOwnRecord();
    expect(acceptanceRate(poor, others)).toBeGreaterThan(0.8);
    for (let count = 0; count < 12; count++) learnFrom({ own: poor, others }, wrong);
    expect(acceptanceRate(poor, others)).toBeLessThan(0.3);
    expect(acceptanceRate(createOwnRecord(), others)).toBeGreaterThan(0.6);
  });

  it('takes one wrong guess among long copies for what it is', () => {
    const others = createTally();
    const copying = createOwnRecord();
    for (let copies = 0; copies < 5; copies++) learnFrom({ own: copying, others }, { accepted: 20, parted: true });
    expect(acceptanceRate(copying, others)).toBeGreaterThan(0.85);
    for (let misses = 0; misses < 10; misses++) learnFrom({ own: copying, others }, wrong);
    expect(acceptanceRate(copying, others)).toBeLessThan(0.75);
  });

  it('thinks of evidence that was not tried what it thinks of less', () => {
    const experience = createExperience(3);
    const [low = createTally(), , high = createTally()] = experience;
    for (let count = 0; count < 40; count++) learnFrom({ own: createOwnRecord(), others: low }, right(1));
    const own = createOwnRecord();
    expect(acceptanceRate(own, high)).toBeCloseTo(acceptanceRate(own, low), 9);
    for (let count = 0; count < 40; count++) learnFrom({ own: createOwnRecord(), others: high }, wrong);
    expect(acceptanceRate(own, high)).toBeLessThan(0.2);
    expect(acceptanceRate(own, low)).toBeGreaterThan(0.8);
  });

  it('lets each guess that has come true speak for the next', () => {
    const experience = createExperience(4);
    const places = [0, 1, 2, 3, 4].map((place) => tallyAt(experience, { evidence: 1, evidenceMax: 3 }, place));
    expect(places.map((tally) => experience.indexOf(tally))).toEqual([1, 2, 3, 3, 3]);
    expect(chancesAlong(3, (place) => 0.5 + place / 4)).toEqual([0.5, 0.375, 0.375]);
    expect(chancesAlong(9, () => 0.1)).toHaveLength(1);
  });
});

describe('trust', () => {
  it('falls where guesses come to less than was expected, and comes back in time', () => {
    const outcomes = createOutcomes();
    expect(trustIn(outcomes)).toBe(1);
    for (let count = 0; count < 20; count++) noteOutcome(outcomes, { expected: 6, accepted: 3 });
    expect(trustIn(outcomes)).toBeLessThan(0.65);
    for (let count = 0; count < 5000; count++) forgetOutcomes(outcomes);
    expect(trustIn(outcomes)).toBeGreaterThan(0.95);
    for (let count = 0; count < 20; count++) noteOutcome(outcomes, { expected: 3, accepted: 6 });
    expect(trustIn(outcomes)).toBe(1);
  });
});

describe('cost of rows', () => {
  const rows = { decodeCount: 1, extraRows: 3 };

  /** A machine that takes 8 ms for one sequence without guesses, and has shown it. */
  function seasoned(): RowCost {
    const cost = createRowCost(costs);
    for (let count = 0; count < 10; count++) cost.observe({ decodeCount: 1, extraRows: 0 }, 8);
    return cost;
  }

  it('begins with half a step for the jump and what a prompt costs for each row, and then believes what it sees', () => {
    expect(createRowCost(costs).extraMs(rows)).toBeUndefined();
    const cost = seasoned();
    expect(cost.plainMs(1)).toBeCloseTo(8, 9);
    expect(cost.extraMs(rows)).toBeCloseTo(4 + 3 * 2, 9);
    for (let count = 0; count < 20; count++) {
      for (const extraRows of [3, 7, 15]) cost.observe({ decodeCount: 1, extraRows }, 8 + 5 + extraRows);
    }
    for (const extraRows of [3, 5, 11, 15]) {
      expect(Math.abs((cost.extraMs({ decodeCount: 1, extraRows }) ?? 0) - 5 - extraRows)).toBeLessThan(0.7);
    }
  });

  it('hopes for less the longer rows are too dear to be tried, until some were', () => {
    const rowCost = createRowCost(costs);
    for (let step = 0; step < 20; step++) rowCost.observe({ decodeCount: 1, extraRows: 0 }, 10);
    const hoped = () => rowCost.hopedMs(1)?.(10) ?? Number.NaN;
    expect(hoped()).toBe(15);
    for (let refusal = 0; refusal < 100; refusal++) rowCost.noteRefusal();
    expect(hoped()).toBeLessThan(1);
    rowCost.observe({ decodeCount: 1, extraRows: 1 }, 12);
    expect(hoped()).toBe(15);
  });

  it('follows a curve that is not straight', () => {
    const cost = seasoned();
    const curve = (extraRows: number): number => (extraRows < 8 ? extraRows : 3 * extraRows);
    for (let count = 0; count < 30; count++) {
      for (const extraRows of [3, 7, 15]) cost.observe({ decodeCount: 1, extraRows }, 8 + curve(extraRows));
    }
    for (const extraRows of [3, 7, 15]) {
      expect(Math.abs((cost.extraMs({ decodeCount: 1, extraRows }) ?? 0) - curve(extraRows))).toBeLessThan(4);
    }
  });

  it('grows from what was tried', () => {
    const cost = seasoned();
    expect(cost.extraRowsMax(1)).toBe(2);
    cost.observe({ decodeCount: 1, extraRows: 4 }, 20);
    expect(cost.extraRowsMax(1)).toBe(9);
    expect(cost.extraRowsMax(4)).toBe(8);
  });

  it('is not led astray by slow steps, and forgets in time', () => {
    const cost = seasoned();
    cost.observe(rows, 14);
    const before = cost.extraMs(rows) ?? 0;
    cost.observe({ decodeCount: 1, extraRows: 0 }, 800);
    expect(cost.plainMs(1)).toBeLessThan(9);
    cost.observe(rows, 600);
    expect(cost.extraMs(rows)).toBeLessThan(before + 10);
    for (let count = 0; count < 20_000; count++) cost.observe({ decodeCount: 1, extraRows: 0 }, 8);
    expect(cost.extraMs(rows)).toBeCloseTo(10, 0);
  });

  it('knows one sequence from several', () => {
    const cost = seasoned();
    cost.observe({ decodeCount: 4, extraRows: 0 }, 20);
    const before = cost.extraMs({ decodeCount: 4, extraRows: 4 });
    for (let count = 0; count < 20; count++) cost.observe(rows, 40);
    expect(cost.extraMs({ decodeCount: 4, extraRows: 4 })).toBe(before);
  });
});

describe('steps', () => {
  it('are learned from only where they read no prompt', () => {
    const proposer = createLookupProposer({ matchTokensMin: 2, matchTokensMax: 4, windowTokens: 64 });
    const speculation = createSpeculation({ proposer, draftTokensMax: 8, extraRowsMax: 8, equalRows: false }, costs);
    const plain = { decodeCount: 1, promptTokenCount: 0, promptDepth: 0, extraRows: 0 };
    noteStep(speculation, { ...plain, promptTokenCount: 40 }, 100);
    expect(speculation.rowCost.plainMs(1)).toBeUndefined();
    noteStep(speculation, plain, 8);
    expect(speculation.rowCost.plainMs(1)).toBe(8);
    noteStep(speculation, { ...plain, extraRows: 4 }, 18);
    expect(speculation.stepsSincePlain).toBe(1);
    expect(speculation.rowCost.extraMs({ decodeCount: 1, extraRows: 4 })).toBeGreaterThan(9);
    noteStep(speculation, plain, 8);
    expect(speculation.stepsSincePlain).toBe(0);
  });

  it('leave a sequence in peace for longer and longer while its guesses are wrong', () => {
    const proposer = createLookupProposer({ matchTokensMin: 2, matchTokensMax: 4, windowTokens: 64 });
    const follower = createFollower(
      createSpeculation({ proposer, draftTokensMax: 8, extraRowsMax: 8, equalRows: false }, costs),
    );
    const rests = Array.from({ length: 12 }, () => {
      noteMisses(follower.rests.lookup, true);
      return follower.rests.lookup.restSteps;
    });
    expect(rests).toEqual([0, 0, 0, 0, 1, 2, 4, 8, 8, 8, 8, 8]);
    expect(follower.rests.draft.restSteps).toBe(0);
    noteMisses(follower.rests.lookup, false);
    expect(follower.rests.lookup.restSteps).toBe(0);
  });
});
