import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { uniform } from '../../../src/llama/sampling/uniform.ts';

describe('uniform', () => {
  test('is in [0, 1) and the same for the same seed and position', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), fc.nat(), (seed, position) => {
        const drawn = uniform(seed, position);
        expect(drawn).toBeGreaterThanOrEqual(0);
        expect(drawn).toBeLessThan(1);
        expect(uniform(seed, position)).toBe(drawn);
      }),
      { interruptAfterTimeLimit: 1_000, numRuns: 10_000 },
    );
  });

  test('every bit of a 53-bit seed counts, and every bit of the position', () => {
    const base = uniform(0, 0);
    for (let bit = 0; bit < 53; bit++) expect(uniform(2 ** bit, 0)).not.toBe(base);
    for (let bit = 0; bit < 31; bit++) expect(uniform(0, 2 ** bit)).not.toBe(base);
  });

  test.each([
    ['along positions', (index: number) => uniform(42, index)],
    ['along seeds', (index: number) => uniform(index, 7)],
    ['along large seeds', (index: number) => uniform(index * 2 ** 32, 7)],
    ['along both', (index: number) => uniform(index, index)],
  ])('fills 64 cells evenly, and pairs of neighbours too: %s', (_, draw) => {
    const count = 64_000;
    const single = new Float64Array(64);
    const pairs = new Float64Array(64);
    for (let index = 0; index < count; index++) {
      const here = draw(index);
      const next = draw(index + 1);
      single[Math.floor(here * 64)] = (single[Math.floor(here * 64)] ?? 0) + 1;
      const pair = Math.floor(here * 8) * 8 + Math.floor(next * 8);
      pairs[pair] = (pairs[pair] ?? 0) + 1;
    }
    const chiSquare = (cells: Float64Array) =>
      cells.reduce((sum, seen) => sum + (seen - count / 64) ** 2 / (count / 64), 0);
    // 63 degrees of freedom: mean 63, deviation 11.2.
    expect(chiSquare(single)).toBeLessThan(63 + 5 * 11.2);
    expect(chiSquare(pairs)).toBeLessThan(63 + 5 * 11.2);
  });
});
