// Speculative decoding on the real kernels leaves texts as they are: a small share of what `npm run bench -- identity` runs.

import { expect, test } from 'vitest';
import { measureIdentity } from '../../bench/identity/measure.ts';
import { demoModel } from '../e2e/server.ts';

test.each([
  { drawing: 'greedy', layout: 'per-sequence', draftPath: undefined, requestCount: 15 },
  { drawing: 'sampled', layout: 'pooled', draftPath: undefined, requestCount: 15 },
  // Its own draft model, which has other keys and values in its cache (f16 beside int8) and may be wrong now and then.
  { drawing: 'sampled', layout: 'per-sequence', draftPath: demoModel, requestCount: 6 },
] as const)(
  '$drawing texts, $layout, $requestCount requests: the same with guesses and without, or parted at a near tie',
  async (wish) => {
    const identity = await measureIdentity({ ...wish, modelPath: demoModel, threads: 1 });
    expect(identity.partings.filter(({ isNearTie }) => !isNearTie)).toEqual([]);
    expect(identity.otherFaults).toEqual([]);
    expect(identity.sameCount).toBeGreaterThan((2 * wish.requestCount) / 3);
    // Guesses were computed, came true, and by lookup did not.
    expect(identity.acceptedTokenCount).toBeGreaterThan(10);
    if (wish.draftPath === undefined) expect(identity.draftTokenCount).toBeGreaterThan(identity.acceptedTokenCount);
  },
  60_000,
);
