// What a few ratios prove.

import { describe, expect, test } from 'vitest';
import { estimate, judge, medianOf, noiseOf } from '../../../src/server/tune/judge.ts';

const rounds = { min: 3, max: 7 };
const of = (log: number, error: number) => ({ log, error });

describe('an estimate', () => {
  test('is the median, and its error falls with the number of rounds', () => {
    expect(medianOf([3, 1, 2])).toBe(2);
    expect(medianOf([4, 1, 2, 3])).toBe(2.5);
    const few = estimate([-0.1, -0.11, -0.09], 0.02);
    const many = estimate([-0.1, -0.11, -0.09, -0.1, -0.12, -0.08, -0.1, -0.1, -0.1], 0.02);
    expect(few.log).toBe(-0.1);
    expect(many.error).toBeLessThan(few.error / 1.5);
  });

  test('that agrees by chance is no better than the noise', () => {
    expect(estimate([-0.1, -0.1, -0.1], 0.05).error).toBeGreaterThan(0.02);
    expect(estimate([-0.1], 0.05).error).toBeGreaterThan(0.05);
  });

  test('is not moved by one stall', () => {
    expect(estimate([-0.1, -0.11, 1.2, -0.09, -0.1], 0.01).log).toBe(-0.1);
    expect(noiseOf([0.01, -0.01, 1.2, 0.01], 0.001)).toBeLessThan(0.02);
    expect(noiseOf([0, 0, 0], 0.01)).toBe(0.01);
  });
});

describe('a verdict', () => {
  test.each([
    ['a gain beyond the noise', { touched: [of(-0.1, 0.01)] }, 3, 'better'],
    ['the same before there were rounds enough', { touched: [of(-0.1, 0.01)] }, 2, 'open'],
    ['a gain within the noise', { touched: [of(-0.1, 0.05)] }, 3, 'open'],
    ['the same at the end of all rounds', { touched: [of(-0.1, 0.05)] }, 7, 'no-better'],
    ['a gain too small to be worth a setting', { touched: [of(-0.01, 0.001)] }, 3, 'no-better'],
    ['a loss beyond the noise', { touched: [of(0.1, 0.01)] }, 1, 'worse'],
    ['a loss of one load whatever the others gain', { touched: [of(-0.5, 0.01), of(0.05, 0.01)] }, 3, 'worse'],
    ['a loss of one load that may be', { touched: [of(-0.5, 0.01), of(0.02, 0.02)] }, 7, 'no-better'],
    ['a plain loss elsewhere', { touched: [of(-0.5, 0.01)], others: [of(0.2, 0.02)] }, 3, 'worse'],
    ['what luck makes of others', { touched: [of(-0.5, 0.01)], others: [of(0.05, 0.02)] }, 3, 'better'],
  ] as const)('on %s', (_, estimates, roundCount, verdict) => {
    expect(judge({ ...estimates, roundCount, rounds })).toBe(verdict);
  });
});
