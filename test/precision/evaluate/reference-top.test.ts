import fc from 'fast-check';
import { expect, test } from 'vitest';
import { compareRows, field } from '../../../src/llama/scoring/row-math.ts';
import { compareWithTop, createTopReference } from '../../../src/precision/evaluate/reference-top.ts';

const pair = fc.array(
  fc.tuple(fc.float({ min: -12, max: 12, noNaN: true }), fc.float({ min: -12, max: 12, noNaN: true })),
  { minLength: 4, maxLength: 60 },
);

/** Exact divergence, and the one with the reference's k most likely tokens kept. */
function both(values: readonly (readonly [number, number])[], k: number) {
  const logits = Float32Array.from(values, ([own]) => own);
  const base = Float32Array.from(values, ([, reference]) => reference);
  const out = new Float64Array(field.length);
  compareRows({ logits, reference: base }, out, 0);
  const score = (from: Float32Array, offset: number) => {
    const logSum = out[offset] ?? 0;
    return { logProbability: (from[0] ?? 0) - logSum, topToken: out[offset + 1] ?? 0, logSum };
  };
  const { reference, add } = createTopReference(1, k);
  add(base, score(base, field.referenceLogSum));
  return {
    exact: out[field.divergence] ?? 0,
    kept: compareWithTop({ reference, row: 0 }, logits, score(logits, field.logSum)),
  };
}

/** The two lowest of equal reference tokens are left out at k = 7, the last one alone at k = 8: less than a millionth of the model's own mass. */
const oneToken = [0, 0, 0, 0, 12, 0, 0, 1.3, -3].map((own): [number, number] => [own, 0]);

test('the kept divergence is a lower bound, never negative, and grows with k', () => {
  fc.assert(
    fc.property(pair, fc.integer({ min: 1, max: 30 }), (values, k) => {
      const few = Math.min(k, values.length - 1);
      const { exact, kept } = both(values, few);
      expect(kept.divergence).toBeGreaterThanOrEqual(0);
      expect(kept.divergence).toBeLessThanOrEqual(exact + 1e-4 * Math.max(1, exact));
      expect(both(values, few + 1).kept.divergence).toBeGreaterThanOrEqual(kept.divergence - 1e-4);
    }),
    { examples: [[oneToken, 7]] },
  );
});

test('with every token kept it is exact, and nothing is left over', () => {
  fc.assert(
    fc.property(pair, (values) => {
      const { exact, kept } = both(values, values.length);
      expect(Math.abs(kept.divergence - exact)).toBeLessThan(1e-4 * Math.max(1, exact));
      expect(kept.restMass).toBeLessThan(1e-5);
    }),
  );
});

test('target and first choice of the reference are kept whatever k is', () => {
  const { kept } = both(
    [
      [1, 5],
      [2, 1],
      [0, 9],
    ],
    1,
  );
  expect(kept.reference.topToken).toBe(2);
  expect(kept.reference.logProbability).toBeCloseTo(5 - (9 + Math.log(1 + Math.exp(-4) + Math.exp(-8))), 6);
});
