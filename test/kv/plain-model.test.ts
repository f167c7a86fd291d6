// The plain cache against the model of the native cache.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { must } from '../../src/assert.ts';
import { createPlainCache } from '../../src/kv/plain-cache.ts';
import { boundedByTime, commandLists } from './commands.ts';
import { runModel } from './model-run.ts';
import { admitComputed, requestOf } from './requests.ts';

const shapes = fc.record({
  blockTokens: fc.integer({ min: 2, max: 4 }),
  blockCount: fc.integer({ min: 6, max: 40 }),
  cacheSeqCount: fc.integer({ min: 3, max: 8 }),
});

describe('plain cache', () => {
  it('keeps every law under random commands', { timeout: 30_000 }, () => {
    fc.assert(
      fc.property(shapes, commandLists(24), (shape, commands) => {
        const { blockTokens, blockCount, cacheSeqCount } = shape;
        const native = { cacheSeqCount, cellCount: blockCount * blockTokens, layout: 'pooled' as const };
        runModel({ cache: createPlainCache(shape), native, sharing: 'none', tokensMax: 24 }, commands);
      }),
      { ...boundedByTime, interruptAfterTimeLimit: 1500 },
    );
  });

  it('empties the native id of a sequence that ends', () => {
    const cache = createPlainCache({ blockCount: 4, blockTokens: 4, cacheSeqCount: 1 });
    const admission = cache.admit(requestOf([1, 2, 3, 4, 5]));
    expect(admission).toMatchObject({ kind: 'admitted', lease: { seq: 0, cachedTokenCount: 0 } });
    if (admission.kind !== 'admitted') return;
    expect(cache.admit(requestOf([1]))).toEqual({ kind: 'no-sequence-id' });
    expect(cache.extend(admission.lease, 16)).toBe(true);
    expect(cache.extend(admission.lease, 17)).toBe(false);
    cache.commit(admission.lease, requestOf([1, 2, 3, 4, 5]));
    cache.release(admission.lease, 'keep');
    expect(cache.takeOps()).toEqual([{ kind: 'truncate', seq: 0, fromPosition: 0 }]);
    expect(cache.cachedTokenCount(requestOf([1, 2, 3, 4, 5, 6]))).toBe(0);
    expect(cache.stats().blocks).toEqual({ total: 4, free: 4, held: 0, cached: 0 });
  });

  it('moves whole sequences, so that running ids follow one another', () => {
    const cache = createPlainCache({ blockCount: 8, blockTokens: 4, cacheSeqCount: 5 });
    const leases = Array.from({ length: 5 }, (_, seq) => admitComputed(cache, [seq + 1, 2, 3]));
    for (const seq of [1, 2]) cache.release(must(leases[seq], 'a lease'), 'keep');
    cache.takeOps();
    expect(cache.gather({ movesMax: 0, lossTokensMax: 0 })).toBeUndefined();
    const moved = cache.gather({ movesMax: 1, lossTokensMax: 0 });
    expect(moved).toMatchObject({ from: leases[0], to: { seq: 2 }, lostTokenCount: 0 });
    expect(cache.takeOps()).toEqual([{ kind: 'move', from: 0, to: 2 }]);
    expect(cache.gather({ movesMax: 1, lossTokensMax: 0 })).toBeUndefined();
    expect([...cache.believedPositions().keys()].toSorted()).toEqual([2, 3, 4]);
    expect(cache.check()).toEqual([]);
  });
});
