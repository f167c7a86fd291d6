// The pooled cache by worked examples: blocks of 4 tokens, so that [1..8] is two blocks.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { leastOftenHit } from '../../src/kv/eviction.ts';
import { createPooledCache } from '../../src/kv/pooled-cache.ts';
import { admitComputed, cachePrefix, leaseOf, range, requestOf } from './requests.ts';

const options = { blockCount: 16, blockTokens: 4, cacheSeqCount: 4 };

describe('sharing', () => {
  it('adopts the keeper when the next turn continues where it ends: nothing to copy', () => {
    const cache = createPooledCache(options);
    cachePrefix(cache, range(0, 8));
    expect(cache.stats()).toMatchObject({ seqKeeper: 1, seqRunning: 0, blocks: { cached: 2, held: 0 } });
    const lease = leaseOf(cache.admit(requestOf(range(0, 11))));
    expect(lease).toMatchObject({ seq: 0, cachedTokenCount: 8 });
    expect(lease.blocks.length).toBe(3);
    expect(cache.takeOps()).toEqual([]);
    expect(cache.stats()).toMatchObject({ seqKeeper: 0, seqRunning: 1, blocks: { cached: 0, held: 3 } });
  });

  it('copies from a keeper that goes on beyond the shared prefix', () => {
    const cache = createPooledCache(options);
    cachePrefix(cache, range(0, 12));
    const lease = leaseOf(cache.admit(requestOf([...range(0, 8), 99])));
    expect(cache.takeOps()).toEqual([{ kind: 'copy', from: 0, to: lease.seq, tokenCount: 8 }]);
    expect(cache.stats().blocks).toMatchObject({ held: 3, cached: 1 });
  });

  it('shares with a sequence that still runs', () => {
    const cache = createPooledCache(options);
    const first = admitComputed(cache, range(0, 9));
    const second = leaseOf(cache.admit(requestOf([...range(0, 8), 50, 51])));
    expect(second.cachedTokenCount).toBe(8);
    expect(second.blocks.slice(0, 2)).toEqual(first.blocks.slice(0, 2));
    expect(cache.takeOps()).toEqual([{ kind: 'copy', from: first.seq, to: second.seq, tokenCount: 8 }]);
    expect(cache.stats().blocks.held).toBe(4);
  });

  it('leaves the last token to compute when everything is cached', () => {
    const cache = createPooledCache(options);
    cachePrefix(cache, range(0, 8));
    expect(cache.cachedTokenCount(requestOf(range(0, 8)))).toBe(4);
    expect(cache.cachedTokenCount(requestOf(range(0, 9)))).toBe(8);
  });

  it('waits for a block that a running sequence is computing, and for no longer', () => {
    const cache = createPooledCache(options);
    const first = leaseOf(cache.admit(requestOf(range(0, 9))));
    expect(cache.admit(requestOf(range(0, 10)))).toEqual({ kind: 'pending-prefix' });
    cache.commit(first, { ...requestOf(range(0, 9)), tokenCount: 4 });
    expect(cache.admit(requestOf(range(0, 10)))).toEqual({ kind: 'pending-prefix' });
    cache.commit(first, requestOf(range(0, 9)));
    expect(leaseOf(cache.admit(requestOf(range(0, 10)))).cachedTokenCount).toBe(8);
  });

  it('stops waiting when the computing sequence leaves', () => {
    const cache = createPooledCache(options);
    const first = leaseOf(cache.admit(requestOf(range(0, 9))));
    cache.release(first, 'keep');
    expect(cache.stats().blocks).toMatchObject({ held: 0, cached: 0 });
    expect(leaseOf(cache.admit(requestOf(range(0, 10)))).cachedTokenCount).toBe(0);
  });

  it('caches generated tokens as their blocks fill', () => {
    const cache = createPooledCache(options);
    const lease = admitComputed(cache, range(0, 6));
    expect(cache.extend(lease, 9)).toBe(true);
    cache.commit(lease, requestOf(range(0, 9)));
    expect(cache.cachedTokenCount(requestOf(range(0, 20)))).toBe(8);
  });

  it('isolates namespaces', () => {
    const cache = createPooledCache(options);
    cachePrefix(cache, range(0, 8), 'tenant-a');
    expect(cache.cachedTokenCount(requestOf(range(0, 9), 'tenant-b'))).toBe(0);
    expect(cache.cachedTokenCount(requestOf(range(0, 9), 'tenant-a'))).toBe(8);
    const other = admitComputed(cache, range(0, 9), 'tenant-b');
    expect(other.cachedTokenCount).toBe(0);
    expect(cache.check()).toEqual([]);
  });
});

describe('two sequences that compute the same', () => {
  it('keep one copy in the tree; the later one stays private and is freed', () => {
    const cache = createPooledCache(options);
    const first = admitComputed(cache, [1, 2]);
    const second = admitComputed(cache, [1, 2]);
    for (const lease of [first, second]) {
      expect(cache.extend(lease, 8)).toBe(true);
      cache.commit(lease, requestOf(range(1, 9)));
    }
    expect(cache.stats().blocks.held).toBe(4);
    cache.takeOps();
    cache.release(second, 'keep');
    expect(cache.takeOps()).toEqual([{ kind: 'truncate', seq: second.seq, fromPosition: 0 }]);
    expect(cache.stats()).toMatchObject({ seqKeeper: 0, blocks: { held: 2, cached: 0, free: 14 } });
  });

  it('need one keeper: the second to end is the one that stays', () => {
    const cache = createPooledCache(options);
    const first = admitComputed(cache, range(0, 9));
    const second = admitComputed(cache, range(0, 10));
    cache.takeOps();
    cache.release(first, 'keep');
    expect(cache.takeOps()).toEqual([{ kind: 'truncate', seq: first.seq, fromPosition: 0 }]);
    cache.release(second, 'keep');
    expect(cache.takeOps()).toEqual([{ kind: 'truncate', seq: second.seq, fromPosition: 8 }]);
    expect(cache.stats()).toMatchObject({ seqKeeper: 1, seqFree: 3, blocks: { cached: 2 } });
  });

  it('fork: whole blocks are shared, the tail is counted again, every computed position is copied', () => {
    const cache = createPooledCache(options);
    const first = admitComputed(cache, range(0, 6));
    const forked = leaseOf(cache.fork(first, requestOf(range(0, 6))));
    expect(forked.cachedTokenCount).toBe(6);
    expect(forked.blocks[0]).toBe(first.blocks[0]);
    expect(forked.blocks[1]).not.toBe(first.blocks[1]);
    expect(cache.takeOps()).toEqual([{ kind: 'copy', from: first.seq, to: forked.seq, tokenCount: 6 }]);
    expect(cache.stats().blocks.held).toBe(3);
  });
});

describe('eviction', () => {
  it('takes the least recently used prefix, last block first, in one truncate', () => {
    const cache = createPooledCache({ ...options, blockCount: 6 });
    cachePrefix(cache, range(0, 12));
    cachePrefix(cache, range(100, 108));
    cache.release(leaseOf(cache.admit(requestOf(range(0, 13)))), 'keep');
    cache.takeOps();
    leaseOf(cache.admit(requestOf(range(200, 208))));
    expect(cache.takeOps()).toEqual([{ kind: 'truncate', seq: 1, fromPosition: 4 }]);
    expect(cache.stats()).toMatchObject({ evictedBlockCount: 1, blocks: { held: 2, cached: 4, free: 0 } });
    expect(cache.cachedTokenCount(requestOf(range(0, 13)))).toBe(12);
    expect(cache.cachedTokenCount(requestOf(range(100, 113)))).toBe(4);
  });

  it('follows another policy', () => {
    const cache = createPooledCache({ ...options, blockCount: 6, evictionPolicy: leastOftenHit });
    cachePrefix(cache, range(0, 12));
    cachePrefix(cache, [...range(0, 12), 1]);
    cachePrefix(cache, range(100, 112));
    leaseOf(cache.admit(requestOf(range(200, 208))));
    expect(cache.cachedTokenCount(requestOf(range(0, 13)))).toBe(12);
    expect(cache.cachedTokenCount(requestOf(range(100, 113)))).toBe(4);
  });

  it('never takes what a sequence holds, and changes nothing when it cannot make room', () => {
    const cache = createPooledCache({ ...options, blockCount: 4 });
    const lease = admitComputed(cache, range(0, 9));
    cachePrefix(cache, range(50, 54));
    const before = cache.stats();
    expect(cache.admit(requestOf(range(100, 108)))).toEqual({ kind: 'no-blocks' });
    expect(cache.extend(lease, 17)).toBe(false);
    expect(cache.stats()).toEqual(before);
    expect(cache.extend(lease, 16)).toBe(true);
    expect(cache.takeOps()).toEqual([{ kind: 'truncate', seq: 1, fromPosition: 0 }]);
  });

  it('does not count a found prefix twice: as found and as evictable', () => {
    const cache = createPooledCache({ ...options, blockCount: 4 });
    cachePrefix(cache, range(0, 12));
    expect(cache.admit(requestOf(range(0, 20)))).toEqual({ kind: 'no-blocks' });
    expect(leaseOf(cache.admit(requestOf(range(0, 16)))).cachedTokenCount).toBe(12);
  });

  it('frees the least valuable keeper, with all that only it covers, when native ids run short', () => {
    const cache = createPooledCache({ ...options, cacheSeqCount: 2 });
    cachePrefix(cache, range(0, 12));
    cachePrefix(cache, range(100, 108));
    const lease = leaseOf(cache.admit(requestOf(range(200, 203))));
    expect(lease.seq).toBe(0);
    expect(cache.takeOps()).toEqual([{ kind: 'truncate', seq: 0, fromPosition: 0 }]);
    expect(cache.stats()).toMatchObject({ evictedBlockCount: 3, seqKeeper: 1, seqFree: 0 });
  });

  it('shortens the only keeper to the found prefix and takes it over, when there is no other id', () => {
    const cache = createPooledCache({ ...options, cacheSeqCount: 1 });
    cachePrefix(cache, range(0, 12));
    const lease = leaseOf(cache.admit(requestOf([...range(0, 8), 99])));
    expect(lease).toMatchObject({ seq: 0, cachedTokenCount: 8 });
    expect(cache.takeOps()).toEqual([{ kind: 'truncate', seq: 0, fromPosition: 8 }]);
    expect(cache.admit(requestOf([7]))).toEqual({ kind: 'no-sequence-id' });
  });

  it('frees a keeper that is shortened to where another prefix branches off', () => {
    const cache = createPooledCache({ ...options, blockCount: 4 });
    cachePrefix(cache, range(0, 8));
    cachePrefix(cache, [...range(0, 4), 70, 71, 72, 73]);
    cache.release(leaseOf(cache.admit(requestOf(range(0, 9)))), 'keep');
    cache.takeOps();
    leaseOf(cache.admit(requestOf(range(100, 108))));
    expect(cache.takeOps()).toEqual([{ kind: 'truncate', seq: 1, fromPosition: 0 }]);
    expect(cache.stats()).toMatchObject({ seqKeeper: 1, blocks: { cached: 2, held: 2 } });
  });
});

describe('release', () => {
  it('drops positions that were computed but never committed', () => {
    const cache = createPooledCache(options);
    const lease = leaseOf(cache.admit(requestOf(range(0, 12))));
    cache.commit(lease, { ...requestOf(range(0, 12)), tokenCount: 6 });
    cache.release(lease, 'keep');
    expect(cache.takeOps()).toEqual([{ kind: 'truncate', seq: 0, fromPosition: 4 }]);
    expect(cache.believedPositions()).toEqual(new Map([[0, 4]]));
  });

  it('with discard keeps only what others share', () => {
    const cache = createPooledCache(options);
    const other = admitComputed(cache, range(0, 5));
    const lease = admitComputed(cache, range(0, 13));
    cache.takeOps();
    cache.release(lease, 'discard');
    expect(cache.takeOps()).toEqual([{ kind: 'truncate', seq: lease.seq, fromPosition: 0 }]);
    expect(cache.stats().blocks).toMatchObject({ held: 2, cached: 0 });
    cache.release(other, 'keep');
    expect(cache.cachedTokenCount(requestOf(range(0, 13)))).toBe(4);
  });

  it('restored sequences share nothing and leave nothing', () => {
    const cache = createPooledCache(options);
    const lease = leaseOf(cache.admitDetached(9));
    cache.commit(lease, requestOf(range(0, 9)));
    expect(cache.cachedTokenCount(requestOf(range(0, 10)))).toBe(0);
    cache.release(lease, 'keep');
    expect(cache.stats()).toMatchObject({ seqFree: 4, blocks: { free: 16 } });
  });

  it('a lease cannot be used twice', () => {
    const cache = createPooledCache(options);
    const lease = admitComputed(cache, [1]);
    cache.release(lease, 'keep');
    expect(() => cache.release(lease, 'keep')).toThrow('before its release');
    leaseOf(cache.admit(requestOf([1])));
    expect(() => cache.extend(lease, 2)).toThrow('before its release');
  });
});

describe('sizes', () => {
  it('refuses what is not a positive integer', () => {
    expect(() => createPooledCache({ ...options, blockTokens: 0 })).toThrow(
      'block tokens must be an integer >= 1. Given: 0',
    );
    expect(() => createPooledCache({ ...options, blockCount: 1.5 })).toThrow('Given: 1.5');
    expect(() => createPooledCache({ ...options, cacheSeqCount: Number.NaN })).toThrow('Given: NaN');
  });

  it('forgets namespaces with their last block, however many salts come', () => {
    const cache = createPooledCache({ ...options, blockCount: 4 });
    for (let salt = 0; salt < 1000; salt++) cachePrefix(cache, range(0, 5), `salt ${salt}`);
    expect(cache.stats()).toMatchObject({ seqKeeper: 3, evictedBlockCount: 997, blocks: { cached: 3, free: 1 } });
    expect(cache.check()).toEqual([]);
  });

  it('works with a million blocks', { timeout: 20_000 }, () => {
    const blockCount = 1_000_000;
    const cache = createPooledCache({ blockCount, blockTokens: 1, cacheSeqCount: 256 });
    const tokens = Int32Array.from({ length: 12_000 }, (_, index) => index);
    for (let conversation = 0; conversation < 100; conversation++) {
      tokens[0] = -1 - conversation;
      const request = { namespace: '', tokens, tokenCount: tokens.length };
      const lease = leaseOf(cache.admit(request));
      cache.commit(lease, request);
      cache.release(lease, 'keep');
    }
    // 100 conversations of 12,000 blocks each: the first ones had to go.
    expect(cache.stats()).toMatchObject({ evictedBlockCount: 200_000, blocks: { free: 0, cached: blockCount } });
    expect(cache.cachedTokenCount({ namespace: '', tokens, tokenCount: tokens.length })).toBe(11_999);
    tokens[0] = -1;
    expect(cache.cachedTokenCount({ namespace: '', tokens, tokenCount: tokens.length })).toBe(0);
    expect(cache.check()).toEqual([]);
  });
});

describe('prefixes that cost every row', () => {
  it('are kept as long as their cells have cost less than computing them again would', () => {
    const rows = fc.integer({ min: 1, max: 40 });
    fc.assert(
      fc.property(rows, fc.array(rows, { maxLength: 8 }), (keptRowsMax, others) => {
        const cache = createPooledCache({ ...options, blockCount: 40, keptRowsMax });
        cachePrefix(cache, range(0, 8));
        // Runs on and is never kept itself, so that the prefix alone is there to go.
        const other = leaseOf(cache.admitDetached(1));
        let rowCount = 0;
        for (const count of others.slice(0, 3)) {
          rowCount += count;
          expect(cache.extend(other, rowCount)).toBe(true);
          cache.commit(other, requestOf(range(1000, 1000 + rowCount)));
          expect(cache.cachedTokenCount(requestOf(range(0, 9)))).toBe(rowCount <= keptRowsMax ? 8 : 0);
        }
        expect(cache.check()).toEqual([]);
      }),
      { numRuns: 50 },
    );
  });

  it('begin anew with each use, and go from their end only where their beginning is used', () => {
    const cache = createPooledCache({ ...options, keptRowsMax: 10 });
    cachePrefix(cache, range(0, 12));
    cachePrefix(cache, [...range(0, 4), ...range(100, 108)]);
    cachePrefix(cache, range(200, 204));
    expect(cache.cachedTokenCount(requestOf(range(0, 13)))).toBe(4);
    expect(cache.cachedTokenCount(requestOf([...range(0, 4), ...range(100, 109)]))).toBe(12);
    expect(cache.stats()).toMatchObject({ evictedBlockCount: 2, blocks: { cached: 4 } });
    expect(cache.check()).toEqual([]);
  });

  it('go to host memory a few at a time, so that no step copies them all', () => {
    const sizes = { blockCount: 500, blockTokens: 16, cacheSeqCount: 8 };
    const cache = createPooledCache({ ...sizes, keptRowsMax: 3100, demoteMinTokens: 32 });
    for (let user = 0; user < 6; user++) cachePrefix(cache, range(1000 * user, 1000 * user + 608));
    const other = leaseOf(cache.admitDetached(3300));
    const demotedCounts: number[] = [];
    for (let rows = 3200; rows <= 3230; rows += 10) {
      cache.commit(other, requestOf(range(0, rows)));
      demotedCounts.push(cache.takeOps().filter(({ kind }) => kind === 'demote').length);
      expect(cache.check()).toEqual([]);
    }
    expect(demotedCounts).toEqual([2, 2, 2, 0]);
    expect(cache.stats().blocks.cached).toBe(0);
  });

  it.each(['a prefix', 'a parked sequence'])(
    'do not pay for what %s takes from host memory, as no rows are computed for it',
    (what) => {
      const cache = createPooledCache({ ...options, keptRowsMax: 10 });
      cachePrefix(cache, range(0, 8));
      const filled = leaseOf(
        what === 'a prefix' ? cache.admitToFill(requestOf(range(100, 117)), 16) : cache.admitDetached(17, 16),
      );
      cache.commit(filled, requestOf(range(100, 116)));
      cache.commit(filled, requestOf(range(100, 117)));
      expect(cache.cachedTokenCount(requestOf(range(0, 9)))).toBe(8);
      expect(cache.check()).toEqual([]);
    },
  );
});
