import fc from 'fast-check';
import { expect, test } from 'vitest';
import { distanceMax, expMinus } from '../../../src/llama/sampling/exp-table.ts';

test('differs from Math.exp by less than a hundred-millionth', () => {
  fc.assert(
    fc.property(fc.double({ min: 0, max: distanceMax, maxExcluded: true, noNaN: true }), (distance) => {
      const exact = Math.exp(-distance);
      expect(Math.abs(expMinus(distance) - exact) / exact).toBeLessThan(1e-8);
    }),
    { interruptAfterTimeLimit: 1_000, numRuns: 20_000 },
  );
});
