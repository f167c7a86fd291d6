// The index against a search that looks everywhere: same match, whatever the tokens and however they arrive.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createGramIndex, type Match } from '../../../src/scheduler/speculation/gram-index.ts';

const options = { gramTokens: 2, matchTokensMax: 5, windowTokens: 1 << 16 };

/** Longest match of the end, the newest among equals. */
function searchAll(tokens: readonly number[], { gramTokens, matchTokensMax }: typeof options): Match | undefined {
  let best: Match | undefined;
  for (let next = tokens.length - 1; next >= gramTokens; next--) {
    let length = 0;
    while (length < Math.min(matchTokensMax, next) && tokens[next - 1 - length] === tokens[tokens.length - 1 - length])
      length += 1;
    if (length >= gramTokens && length > (best?.length ?? 0)) best = { next, length };
  }
  return best;
}

/** Few enough earlier places that the index looks at all of them. */
const texts = fc.array(fc.nat(9), { minLength: 1, maxLength: 60, size: 'max' });

describe('gram index', () => {
  it('finds what a search everywhere finds, as the text grows by any steps', () => {
    fc.assert(
      fc.property(texts, fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1 }), (text, steps) => {
        const index = createGramIndex(options);
        const tokens = Int32Array.from(text);
        for (let tokenCount = 1, turn = 0; tokenCount <= text.length; turn++) {
          const expected = searchAll(text.slice(0, tokenCount), options);
          expect(index.find({ tokens, tokenCount })).toEqual(expected);
          // Asked twice, it answers twice the same.
          expect(index.find({ tokens, tokenCount })).toEqual(expected);
          tokenCount += steps[turn % steps.length] ?? 1;
        }
      }),
      { numRuns: 300 },
    );
  });

  it('does not read what lies beyond the token count', () => {
    const index = createGramIndex(options);
    expect(index.find({ tokens: Int32Array.of(1, 2, 3, 1, 2), tokenCount: 3 })).toBeUndefined();
    expect(index.find({ tokens: Int32Array.of(1, 2, 3, 9, 1, 2), tokenCount: 6 })).toEqual({ next: 2, length: 2 });
  });

  it('forgets what left its window, and stays within its bytes', () => {
    const window = 64;
    const index = createGramIndex({ ...options, windowTokens: window });
    const unique = Array.from({ length: 5000 }, (_, position) => 100 + position);
    const tokens = Int32Array.from([1, 2, 3, ...unique, 1, 2]);
    for (let tokenCount = 1; tokenCount <= tokens.length; tokenCount++) index.find({ tokens, tokenCount });
    expect(index.find({ tokens, tokenCount: tokens.length })).toBeUndefined();
    expect(index.byteLength).toBe(12 * window);
    const recent = Int32Array.from([...tokens, 50, 51, 1, 2]);
    expect(index.find({ tokens: recent, tokenCount: recent.length })).toEqual({ next: tokens.length, length: 2 });
  });

  it('costs no more where one run occurs all the time', () => {
    const index = createGramIndex(options);
    const tokens = new Int32Array(100_000).fill(7);
    const started = performance.now();
    for (let tokenCount = 1; tokenCount <= tokens.length; tokenCount++) index.find({ tokens, tokenCount });
    // A search that followed every chain would need minutes.
    expect(performance.now() - started).toBeLessThan(2000);
    expect(index.find({ tokens, tokenCount: tokens.length })).toEqual({ next: tokens.length - 1, length: 5 });
  });
});
