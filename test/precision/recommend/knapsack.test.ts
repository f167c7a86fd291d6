// The exact choice within a budget, against every choice there is.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { chooseWithin, type Option } from '../../../src/precision/recommend/knapsack.ts';

function everyChoice(groups: readonly (readonly Option[])[]): { bytes: number; loss: number }[] {
  return groups.reduce<{ bytes: number; loss: number }[]>(
    (sums, options) =>
      sums.flatMap(({ bytes, loss }) =>
        options.map((option) => ({ bytes: bytes + option.bytes, loss: loss + option.loss })),
      ),
    [{ bytes: 0, loss: 0 }],
  );
}

const option = fc.record({
  bytes: fc.integer({ min: 0, max: 30 }),
  loss: fc.oneof(fc.integer({ min: -5, max: 20 }), fc.double({ min: -3, max: 50, noNaN: true })),
});

test('nothing within the budget loses less, and of equal ones nothing is smaller', () => {
  fc.assert(
    fc.property(
      fc.array(fc.array(option, { minLength: 1, maxLength: 5 }), { minLength: 1, maxLength: 6 }),
      fc.integer({ min: 0, max: 120 }),
      (groups, bytesMax) => {
        const fitting = everyChoice(groups).filter(({ bytes }) => bytes <= bytesMax);
        const found = chooseWithin(groups, bytesMax);
        if (fitting.length === 0) {
          expect(found).toBeUndefined();
          return;
        }
        const least = Math.min(...fitting.map(({ loss }) => loss));
        expect(found?.loss).toBeCloseTo(least, 9);
        const chosen = groups.map((options, group) => options[found?.picks[group] ?? -1]);
        expect(chosen.reduce((sum, each) => sum + (each?.bytes ?? Number.NaN), 0)).toBe(found?.bytes);
        expect(chosen.reduce((sum, each) => sum + (each?.loss ?? Number.NaN), 0)).toBeCloseTo(
          found?.loss ?? Number.NaN,
          9,
        );
        expect(found?.bytes).toBeLessThanOrEqual(bytesMax);
        if (groups.flat().every(({ loss }) => Number.isInteger(loss)))
          expect(found?.bytes).toBe(
            Math.min(...fitting.filter(({ loss }) => loss === least).map(({ bytes }) => bytes)),
          );
      },
    ),
    { numRuns: 3000, interruptAfterTimeLimit: 4000 },
  );
});

test('a large model takes well under a second: 300 groups of 9 options', () => {
  let seed = 1;
  const random = () => {
    seed = (seed * 48271) % 2147483647;
    return seed / 2147483647;
  };
  const bits = [16, 8.5, 6.5625, 5.5, 4.5, 4.25, 3.4375, 2.625, 2.0625];
  const groups = Array.from({ length: 300 }, () => {
    const values = (1 + Math.floor(random() * 14)) * 4096 * 1024;
    const weight = Math.exp(3 * random());
    return bits.map((each) => ({ bytes: (values * each) / 8, loss: weight * 2 ** (-2 * each) * (0.5 + random()) }));
  });
  const smallest = groups.reduce((sum, options) => sum + (options.at(-1)?.bytes ?? 0), 0);
  const startedMs = performance.now();
  const found = chooseWithin(groups, 2.2 * smallest);
  expect(performance.now() - startedMs).toBeLessThan(3000);
  expect(found?.bytes).toBeLessThanOrEqual(2.2 * smallest);
  // The relaxed optimum is a bound that no choice can pass; what is left between is less than one group's step.
  expect(found?.bytes).toBeGreaterThan(2.19 * smallest);
});
