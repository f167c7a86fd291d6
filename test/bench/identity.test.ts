// Speculative decoding on the real kernels leaves texts as they are: a small share of what `npm run bench -- identity` runs.

import { expect, test } from 'vitest';
import { measureIdentity } from '../../bench/identity/measure.ts';
import { demoModel } from '../e2e/server.ts';

test.each([
  { drawing: 'greedy', layout: 'per-sequence' },
  { drawing: 'sampled', layout: 'pooled' },
] as const)(
  '$drawing texts, $layout: the same with guesses and without, or parted at a near tie',
  async (wish) => {
    const identity = await measureIdentity({ ...wish, modelPath: demoModel, requestCount: 15, threads: 1 });
    expect(identity.partings.filter(({ isNearTie }) => !isNearTie)).toEqual([]);
    expect(identity.otherFaults).toEqual([]);
    expect(identity.sameCount).toBeGreaterThan(10);
    // Guesses were computed, came true, and did not.
    expect(identity.acceptedTokenCount).toBeGreaterThan(10);
    expect(identity.draftTokenCount).toBeGreaterThan(identity.acceptedTokenCount);
  },
  60_000,
);
