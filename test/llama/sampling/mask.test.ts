// Masks against the plain reading of their bits.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { applyMask } from '../../../src/llama/sampling/mask.ts';

test('forbids exactly the tokens whose bit is 0', () => {
  const word = fc.oneof(fc.constantFrom(0, -1), fc.integer());
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 200 }), fc.array(word, { minLength: 7, maxLength: 7 }), (size, words) => {
      const logits = Float32Array.from({ length: size }, (_, token) => token / 7);
      const expected = logits.map((logit, token) => {
        const isAllowed = ((words[Math.floor(token / 32)] ?? 0) >>> (token % 32)) % 2 === 1;
        return isAllowed ? logit : Number.NEGATIVE_INFINITY;
      });
      applyMask(logits, Int32Array.from(words));
      expect(logits).toEqual(expected);
    }),
  );
});
