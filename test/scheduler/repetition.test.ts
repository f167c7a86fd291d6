// Runaway loops: found by their period, and nothing else taken for one.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isRunaway } from '../../src/scheduler/repetition.ts';

const limit = { patternTokensMin: 1, patternTokensMax: 4, countMin: 3 };
const output = (...tokens: number[]) => Int32Array.from(tokens);

describe('an output', () => {
  it('is a runaway when its end repeats often enough', () => {
    expect(isRunaway(output(9, 8, 1, 2, 1, 2, 1, 2), limit)).toBe(true);
    expect(isRunaway(output(5, 5, 5), limit)).toBe(true);
  });

  it('is none while a repeat is missing, or when the pattern is too short or too long', () => {
    expect(isRunaway(output(1, 2, 1, 2), limit)).toBe(false);
    expect(isRunaway(output(1, 2, 1, 2, 1, 2, 3), limit)).toBe(false);
    expect(isRunaway(output(7, 7, 7), { ...limit, patternTokensMin: 2 })).toBe(false);
    const long = [1, 2, 3, 4, 5];
    expect(isRunaway(output(...long, ...long, ...long), limit)).toBe(false);
  });

  it('agrees with comparing the repeats themselves', () => {
    const tokens = fc.array(fc.integer({ min: 0, max: 1 }), { maxLength: 14 });
    fc.assert(
      fc.property(tokens, fc.integer({ min: 2, max: 4 }), (list, countMin) => {
        const expected = [1, 2, 3, 4].some((length) => {
          const repeats = Array.from({ length: countMin }, (_, index) =>
            list.slice(list.length - length * (index + 1), list.length - length * index).join(),
          );
          return list.length >= length * countMin && new Set(repeats).size === 1;
        });
        expect(isRunaway(output(...list), { ...limit, countMin })).toBe(expected);
      }),
    );
  });
});
