// Number ranges against plain comparison: what is allowed is a JSON number within the bounds, and no integer is left out.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Bounds, decimalRange, integerRange } from '../../src/grammar/json/ranges.ts';
import { readerOf } from './automaton-reader.ts';

const jsonNumber = /^-?(0|[1-9]\d*)(\.\d+)?$/;
const isWithin = (value: number, { low, high, lowIsIn, highIsIn }: Bounds): boolean =>
  (low === undefined || value > low || (lowIsIn && value === low)) &&
  (high === undefined || value < high || (highIsIn && value === high));

const bound = fc.option(fc.oneof(fc.integer({ min: -3000, max: 3000 }), fc.constantFrom(0, -1, 1, 99, 100, 1e6)), {
  nil: undefined,
});
const decimal = fc.option(
  fc.integer({ min: -30_000, max: 30_000 }).map((value) => value / 100),
  { nil: undefined },
);
const bounds = (end: fc.Arbitrary<number | undefined>): fc.Arbitrary<Bounds> =>
  fc.record({ low: end, high: end, lowIsIn: fc.boolean(), highIsIn: fc.boolean() });

test('integers: exactly those within the bounds', () => {
  fc.assert(
    fc.property(
      bounds(bound),
      fc.array(fc.integer({ min: -4000, max: 4000 }), { minLength: 20, maxLength: 60 }),
      (range, values) => {
        const result = integerRange(range);
        const accepts = result.kind === 'range' ? readerOf(result.value) : () => false;
        const near = [range.low, range.high].flatMap((end) => (end === undefined ? [] : [end - 1, end, end + 1]));
        for (const value of [...values, ...near])
          expect(accepts(String(value)), `${value} in ${JSON.stringify(range)}`).toBe(isWithin(value, range));
      },
    ),
    { numRuns: 150, seed: 5 },
  );
});

test('decimals: only JSON numbers within the bounds, and all with as many decimals as the bounds have', () => {
  const digits = fc.stringMatching(/^-?\d{1,4}(\.\d{1,5})?$/);
  const exact = fc.integer({ min: -40_000, max: 40_000 }).map((value) => (value / 100).toFixed(2));
  fc.assert(
    fc.property(
      bounds(decimal),
      fc.array(fc.oneof(digits, exact), { minLength: 30, maxLength: 80 }),
      (range, texts) => {
        const result = decimalRange(range);
        const accepts = result.kind === 'range' ? readerOf(result.value) : () => false;
        for (const text of texts) {
          const isRight = jsonNumber.test(text) && isWithin(Number(text), range);
          if (accepts(text)) expect(isRight, `${text} in ${JSON.stringify(range)}`).toBe(true);
        }
        const isHundredths = [range.low, range.high].some((end) => end !== undefined && !Number.isInteger(end * 10));
        for (const text of isHundredths ? texts : []) {
          const isPlain = /^-?\d+\.\d\d$/.test(text) && jsonNumber.test(text) && Number(text) !== 0;
          if (isPlain && isWithin(Number(text), range))
            expect(accepts(text), `${text} in ${JSON.stringify(range)}`).toBe(true);
        }
      },
    ),
    { numRuns: 150, seed: 6 },
  );
});
