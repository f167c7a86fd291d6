// The per-sequence cache against the model of the native cache, with slabs so short that everything happens all the time.

import fc from 'fast-check';
import { describe, it } from 'vitest';
import { createPerSequenceCache } from '../../src/kv/per-sequence-cache.ts';
import { boundedByTime, commandLists } from './commands.ts';
import { runModel } from './model-run.ts';

const shapes = fc.record({
  blockTokens: fc.integer({ min: 2, max: 4 }),
  slabBlocks: fc.integer({ min: 2, max: 8 }),
  cacheSeqCount: fc.integer({ min: 3, max: 8 }),
  copyMinTokens: fc.integer({ min: 1, max: 6 }),
  demoteMinTokens: fc.constantFrom(undefined, 1, 5),
});

describe('per-sequence cache, model run', () => {
  it('keeps every law under random commands', { timeout: 30_000 }, () => {
    fc.assert(
      fc.property(shapes, commandLists(24), (shape, commands) => {
        const { slabBlocks, ...sizes } = shape;
        const { blockTokens, cacheSeqCount } = sizes;
        const slabTokens = slabBlocks * blockTokens;
        const cache = createPerSequenceCache({ ...sizes, slabTokens });
        const native = { cacheSeqCount, cellCount: slabTokens, layout: 'per-sequence' as const };
        runModel({ cache, native, sharing: 'tokens', tokensMax: 24 }, commands);
      }),
      boundedByTime,
    );
  });
});
