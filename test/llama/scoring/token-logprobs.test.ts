// Log-probabilities against their definition: logit minus the logarithm of the sum of exponentials.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { tokenId } from '../../../src/ids.ts';
import { scoreToken } from '../../../src/llama/scoring/token-logprobs.ts';

const rows = fc
  .array(fc.float({ min: -60, max: 60, noNaN: true }), { minLength: 1, maxLength: 60 })
  .map((values) => Float32Array.from(values));

test('are those of the softmax, ranked, with the best tokens in order', () => {
  fc.assert(
    fc.property(rows, fc.nat(), fc.nat(20), (logits, at, topCount) => {
      const token = at % logits.length;
      const largest = logits.reduce((most, logit) => Math.max(most, logit));
      const logSum = largest + Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit - largest), 0));
      const order = [...logits.keys()].sort((a, b) => (logits[b] ?? 0) - (logits[a] ?? 0) || a - b);
      const found = scoreToken(logits, { token: tokenId(token), topCount });
      expect(found.logprob).toBeCloseTo((logits[token] ?? 0) - logSum, 5);
      expect(found.rank).toBe(1 + logits.filter((logit) => logit > (logits[token] ?? 0)).length);
      expect([...found.topTokens]).toEqual(order.slice(0, topCount));
      for (const [place, top] of found.topTokens.entries()) {
        expect(found.topLogprobs[place]).toBeCloseTo((logits[top] ?? 0) - logSum, 5);
      }
    }),
  );
});
