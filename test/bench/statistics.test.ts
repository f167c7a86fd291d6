import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { mean, median, percentile, percentiles } from '../../bench/statistics.ts';

describe('percentile', () => {
  test.each([
    [[5], 0.5, 5],
    [[1, 2, 3, 4], 0.5, 2],
    [[4, 3, 2, 1], 0.99, 4],
    [[1, 2, 3, 4, 5, 6, 7, 8, 9, 10], 0.9, 9],
    [[1, 2, 3], 0, 1],
    [[1, 2, 3], 1, 3],
  ])('of %j at %d is %d', (values, share, expected) => {
    expect(percentile(values, share)).toBe(expected);
  });

  test('of nothing is undefined', () => {
    expect(percentile([], 0.5)).toBeUndefined();
    expect(percentiles([], { p50: 0.5 })).toEqual({ p50: undefined });
  });

  test('is the smallest value that the wanted share does not exceed, and leaves its input alone', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer(), { minLength: 1 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (values, share) => {
          const before = [...values];
          const result = percentile(values, share) ?? Number.NaN;
          const atMost = (limit: number): number => values.filter((value) => value <= limit).length;
          const smaller = values.filter((value) => value < result);
          expect(values).toEqual(before);
          expect(atMost(result)).toBeGreaterThanOrEqual(share * values.length);
          if (smaller.length > 0) expect(atMost(Math.max(...smaller))).toBeLessThan(Math.max(1, share * values.length));
        },
      ),
      { interruptAfterTimeLimit: 1000, markInterruptAsFailure: false },
    );
  });
});

test('the median of an even number of values is the mean of the middle two', () => {
  expect(median([10, 1, 2, 3])).toBe(2.5);
  expect(median([3, 1, 2])).toBe(2);
  expect(median([])).toBeUndefined();
});

test('the mean of nothing is undefined', () => {
  expect(mean([1, 2, 6])).toBe(3);
  expect(mean([])).toBeUndefined();
});
