// What a draft model's work is thought to cost, from the calls that were made.

import { describe, expect, it } from 'vitest';
import { createDraftCosts } from '../../../src/scheduler/speculation/draft-costs.ts';

const plainMs = 2;

/** After the first calls, which load what they call. */
function warmCosts() {
  const costs = createDraftCosts(0.1);
  costs.observeGuess(1, 90);
  costs.observeRead(32, 90, 1);
  return costs;
}

describe('what drafting costs', () => {
  it.each([createDraftCosts(0.1), warmCosts()])('is a share of a plain step until it was measured twice', (costs) => {
    expect(costs.guessMs(1, plainMs)).toBeCloseTo(0.2);
    expect(costs.readMs(plainMs)).toBeCloseTo(0.1);
    expect(costs.isKnown()).toBe(false);
  });

  it('of a guess is what guesses took, by the number of sequences', () => {
    const costs = warmCosts();
    for (const count of [1, 4, 8, 1, 4, 8]) costs.observeGuess(count, 0.5 + 0.25 * count);
    expect(costs.guessMs(2, plainMs)).toBeCloseTo(1);
    expect(costs.guessMs(6, plainMs)).toBeCloseTo(2);
  });

  it('of guesses is not what a slow one took, once a read has shown it', () => {
    const costs = warmCosts();
    costs.observeGuess(1, 90);
    expect(costs.guessMs(1, plainMs)).toBe(90);
    costs.observeRead(16, 0.8, 1);
    expect(costs.guessMs(1, plainMs)).toBeCloseTo(0.8);
    costs.observeGuess(1, 0.4);
    expect(costs.guessMs(1, plainMs)).toBeLessThan(0.7);
  });

  it('of reading is not what a slow read took', () => {
    const costs = warmCosts();
    costs.observeRead(32, 96, 1);
    expect(costs.readMs(plainMs)).toBeCloseTo(3);
    costs.observeRead(32, 0.64, 1);
    expect(costs.readMs(plainMs)).toBeCloseTo(0.02);
  });

  it('of guesses stays what it is while reads take what they should', () => {
    const costs = warmCosts();
    for (let round = 0; round < 5; round++) costs.observeGuess(8, 8);
    costs.observeRead(12, 9, 1);
    expect(costs.guessMs(8, plainMs)).toBe(8);
  });

  it('of guesses is not told by reads after which nothing was drawn', () => {
    const costs = warmCosts();
    for (let round = 0; round < 3; round++) costs.observeGuess(1, 3);
    costs.observeRead(64, 0.5, 0);
    expect(costs.guessMs(1, plainMs)).toBeCloseTo(3);
    costs.observeRead(64, 0.5, 1);
    expect(costs.guessMs(1, plainMs)).toBeCloseTo(0.5);
  });

  it('of guesses is doubted while it keeps them from being tried, and believed again once one was made', () => {
    const costs = warmCosts();
    for (let round = 0; round < 3; round++) costs.observeGuess(1, 20);
    for (let refusal = 0; refusal < 3000; refusal++) costs.noteRefusal();
    expect(costs.guessMs(1, plainMs)).toBeLessThan(1.1);
    costs.observeGuess(1, 20);
    expect(costs.guessMs(1, plainMs)).toBeCloseTo(20);
  });

  it('hardly grows by one call that was held up', () => {
    const costs = warmCosts();
    for (let round = 0; round < 20; round++) {
      costs.observeGuess(1, 1);
      costs.observeRead(10, 5, 1);
    }
    costs.observeGuess(1, 500);
    costs.observeRead(10, 5000, 1);
    expect(costs.guessMs(1, plainMs)).toBeLessThan(1.2);
    expect(costs.readMs(plainMs)).toBeLessThan(0.8);
  });
});
