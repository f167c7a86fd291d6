// What is said of measured layouts: nothing more where all was timed, and what was not.

import { expect, test } from 'vitest';
import { verdictOf } from '../../../src/server/tune/layout-verdict.ts';

const load = { streams: 4, promptTokens: 4000, outputTokens: 2000, sharedTokens: 0 };

test('slabs stand where no difference is certain, and where the load was timed at its own depth nothing is added', () => {
  const deep = { deepTokens: 5000 };
  expect(verdictOf({ faster: 'per-sequence', text: 'slabs' }, load, deep)).toEqual({
    layout: 'per-sequence',
    text: 'slabs',
  });
  expect(verdictOf({ faster: undefined, text: 'alike' }, load, deep)).toEqual({
    layout: 'per-sequence',
    text: 'no certain difference: alike',
  });
});

test('a depth that memory cut is named, and where the knobs were chosen if the pool wins', () => {
  const { layout, text } = verdictOf({ faster: 'pooled', text: 'the pool' }, load, { deepTokens: 1015 });
  expect(layout).toBe('pooled');
  expect(text).toMatch(
    /^the pool; memory let 1,015 tokens of a sequence be timed, .* the 5,000 that it has of this load/,
  );
  expect(text).toMatch(/; knobs were tried with slabs alone.*octet tune --kv-layout pooled times them there$/);
});
