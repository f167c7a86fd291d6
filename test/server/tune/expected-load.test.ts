// The load that layouts are weighed for: what is said, what is usual, and what cannot be.

import { expect, test } from 'vitest';
import { expectedLoad } from '../../../src/server/tune/expected-load.ts';

const nothing = { streams: undefined, promptTokens: undefined, outputTokens: undefined, sharedTokens: undefined };

test('what is not said is usual, and shorter where a sequence may not be so long', () => {
  expect(expectedLoad(nothing, { sequencesMax: 32, contextTokensMax: 8192 })).toEqual({
    streams: 32,
    promptTokens: 512,
    outputTokens: 128,
    sharedTokens: 0,
  });
  expect(expectedLoad({ ...nothing, streams: 4 }, { sequencesMax: 32, contextTokensMax: 512 })).toEqual({
    streams: 4,
    promptTokens: 256,
    outputTokens: 64,
    sharedTokens: 0,
  });
});

test('what is not said fits behind what is', () => {
  const limits = { sequencesMax: 2, contextTokensMax: 2048 };
  const behind = expectedLoad({ ...nothing, sharedTokens: 1900 }, limits);
  expect(behind).toEqual({ streams: 2, promptTokens: 74, outputTokens: 18, sharedTokens: 1900 });
  expect(expectedLoad({ ...nothing, promptTokens: 2040 }, limits)).toMatchObject({ outputTokens: 1 });
  expect(() => expectedLoad({ ...nothing, sharedTokens: 2047 }, limits)).toThrow(/Given: 2,049$/);
});

test('a request longer than a sequence may be is refused with both numbers', () => {
  const wish = { ...nothing, promptTokens: 1000, outputTokens: 100, sharedTokens: 2000 };
  expect(() => expectedLoad(wish, { sequencesMax: 1, contextTokensMax: 2048 })).toThrow(
    /must be <= 2,048 tokens together, the longest that a sequence may be\. Given: 3,100$/,
  );
});
