import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { mostLikely } from '../../../src/llama/sampling/greedy.ts';
import { ranked } from './reference.ts';

/** Few values, so that equals are frequent, with those that cannot be drawn among them. */
const logit = fc.constantFrom(-3, -1, 0, 0.5, 2, Number.NEGATIVE_INFINITY, Number.NaN);

describe('the most likely token', () => {
  it('is the lowest id among the largest logits, in rows of any length', () => {
    fc.assert(
      fc.property(fc.array(logit, { maxLength: 40 }), (values) => {
        const logits = Float32Array.from(values);
        expect(mostLikely(logits)).toBe(ranked(logits)[0]?.token ?? -1);
      }),
      { numRuns: 2000, seed: 1 },
    );
  });

  it('is found in every place of a long row', () => {
    const logits = new Float32Array(1003);
    for (let token = 0; token < logits.length; token++) {
      logits[token] = 1;
      expect(mostLikely(logits)).toBe(token);
      logits[token] = 0;
    }
  });
});
