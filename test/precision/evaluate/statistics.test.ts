import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  meanCovariance,
  meanOf,
  percentile,
  percentileError,
  proportionOf,
  rootMeanSquare,
  signTest,
} from '../../../src/precision/evaluate/statistics.ts';

const numbers = fc.array(fc.double({ min: -1e3, max: 1e3, noNaN: true }), { minLength: 2, maxLength: 50 });

test('mean and standard error of a small sample', () => {
  // Deviations 1, 0, -1: variance 1 with n - 1, error sqrt(1 / 3).
  expect(meanOf([1, 2, 3])).toEqual({ value: 2, standardError: Math.sqrt(1 / 3) });
  expect(meanOf([])).toEqual({ value: 0, standardError: 0 });
});

test('the covariance of a list with itself is the square of its error', () => {
  fc.assert(
    fc.property(numbers, (values) => {
      expect(meanCovariance(values, values)).toBeCloseTo(meanOf(values).standardError ** 2, 8);
    }),
  );
});

test('percentiles interpolate, and the ends are the extremes', () => {
  expect(percentile([10, 20, 30], 0.5)).toBe(20);
  expect(percentile([10, 20], 0.25)).toBe(12.5);
  fc.assert(
    fc.property(numbers, fc.double({ min: 0, max: 1, noNaN: true }), (values, fraction) => {
      const ascending = Float64Array.from(values).sort();
      const found = percentile(ascending, fraction);
      expect(found).toBeGreaterThanOrEqual((ascending[0] ?? 0) - 1e-9);
      expect(found).toBeLessThanOrEqual((ascending.at(-1) ?? 0) + 1e-9);
    }),
  );
});

test('the error of a percentile is that of even values, and of the largest there is none', () => {
  const even = Float64Array.from({ length: 10_001 }, (_, index) => index / 10_000);
  // The median of n even values between 0 and 1 is off by 1 / (2 sqrt n).
  expect(percentileError(even, 0.5)).toBeCloseTo(0.005, 6);
  expect(percentileError(even, 0.99)).toBeCloseTo(Math.sqrt(0.99 * 0.01) / 100, 6);
  expect(percentileError(even, 1)).toBe(0);
});

test('root mean square', () => {
  expect(rootMeanSquare([3, -4, 3, -4]).value).toBeCloseTo(Math.sqrt(12.5), 12);
  expect(rootMeanSquare([0, 0]).standardError).toBe(0);
});

describe('proportions', () => {
  test('Wilson interval as published: 10 of 20 is [0.299, 0.701], 0 of 10 ends at 0.278', () => {
    const half = proportionOf(10, 20);
    expect(half.low).toBeCloseTo(0.2993, 4);
    expect(half.high).toBeCloseTo(0.7007, 4);
    expect(proportionOf(0, 10).high).toBeCloseTo(0.2775, 4);
  });

  test('agrees with llama-perplexity: 303 of 1000 is [27.5315, 33.2192] percent', () => {
    const { low, high } = proportionOf(303, 1000);
    expect(100 * low).toBeCloseTo(27.5315, 4);
    expect(100 * high).toBeCloseTo(33.2192, 4);
  });

  test('the interval holds the value and stays within 0 and 1', () => {
    fc.assert(
      fc.property(fc.nat(500), fc.nat(500), (rightCount, wrongCount) => {
        const { value, low, high } = proportionOf(rightCount, rightCount + wrongCount);
        expect(low).toBeGreaterThanOrEqual(0);
        expect(low).toBeLessThanOrEqual(value + 1e-12);
        expect(high).toBeGreaterThanOrEqual(value - 1e-12);
        expect(high).toBeLessThanOrEqual(1);
      }),
    );
  });
});

describe('sign test', () => {
  test.each([
    [0, 0, 1],
    [5, 5, 1],
    [0, 5, 0.0625],
    [1, 9, 0.021484375],
    [8, 2, 0.109375],
  ])('%i gained and %i lost: chance %d', (gained, lost, chance) => {
    expect(signTest(gained, lost)).toBeCloseTo(chance, 9);
  });

  test('does not care which side is which', () => {
    fc.assert(
      fc.property(fc.nat(60), fc.nat(60), (a, b) => {
        expect(signTest(a, b)).toBeCloseTo(signTest(b, a), 12);
      }),
    );
  });
});
