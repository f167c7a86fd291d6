// The pooled cache against the model of the native cache, with pools so small that everything happens all the time.

import fc from 'fast-check';
import { describe, it } from 'vitest';
import { evictionPolicies } from '../../src/kv/eviction.ts';
import { createPooledCache } from '../../src/kv/pooled-cache.ts';
import { boundedByTime, commandLists } from './commands.ts';
import { runModel } from './model-run.ts';

const shapes = fc.record({
  blockTokens: fc.integer({ min: 2, max: 4 }),
  blockCount: fc.integer({ min: 6, max: 40 }),
  cacheSeqCount: fc.integer({ min: 3, max: 8 }),
  evictionPolicy: fc.constantFrom(...Object.values(evictionPolicies)),
  hashSeed: fc.integer(),
  demoteMinTokens: fc.constantFrom(undefined, 1, 5),
  keptRowsMax: fc.constantFrom(undefined, 3, 20),
});

describe('pooled cache, model run', () => {
  it('keeps every law under random commands', { timeout: 30_000 }, () => {
    fc.assert(
      fc.property(shapes, commandLists(24), (shape, commands) => {
        const { blockTokens, blockCount, cacheSeqCount } = shape;
        const native = { cacheSeqCount, cellCount: blockCount * blockTokens, layout: 'pooled' as const };
        runModel({ cache: createPooledCache(shape), native, sharing: 'blocks', tokensMax: 24 }, commands);
      }),
      boundedByTime,
    );
  });
});
