// The per-sequence cache by worked examples: slabs of 16 tokens in blocks of 4, prefixes of 3 and more are copied.

import { describe, expect, it } from 'vitest';
import { createPerSequenceCache } from '../../src/kv/per-sequence-cache.ts';
import type { KvCache } from '../../src/kv/types.ts';
import { admitComputed, cachePrefix, leaseOf, range, requestOf } from './requests.ts';

const options = { cacheSeqCount: 4, slabTokens: 16, blockTokens: 4, copyMinTokens: 3 };

describe('where a prefix comes from', () => {
  it('reuses in place a slab that is mostly the prefix: cut, not copied, at any length', () => {
    const cache = createPerSequenceCache(options);
    cachePrefix(cache, range(0, 7));
    const lease = leaseOf(cache.admit(requestOf([...range(0, 5), 99])));
    expect(lease).toMatchObject({ seq: 0, cachedTokenCount: 5 });
    expect(cache.takeOps()).toEqual([{ kind: 'truncate', seq: 0, fromPosition: 5 }]);
  });

  it('continues a conversation where it ended without any operation', () => {
    const cache = createPerSequenceCache(options);
    cachePrefix(cache, range(0, 7));
    expect(leaseOf(cache.admit(requestOf(range(0, 9))))).toMatchObject({ seq: 0, cachedTokenCount: 7 });
    expect(cache.takeOps()).toEqual([]);
  });

  it('copies a prefix out of a slab that is mostly something else, and leaves that alone', () => {
    const cache = createPerSequenceCache(options);
    cachePrefix(cache, range(0, 12));
    const lease = leaseOf(cache.admit(requestOf([...range(0, 4), 99])));
    expect(lease).toMatchObject({ seq: 1, cachedTokenCount: 4 });
    expect(cache.takeOps()).toEqual([{ kind: 'copy', from: 0, to: 1, tokenCount: 4 }]);
    expect(cache.cachedTokenCount(requestOf(range(0, 13)))).toBe(12);
  });

  it('copies from a sequence that still runs', () => {
    const cache = createPerSequenceCache(options);
    const first = admitComputed(cache, range(0, 9));
    const second = leaseOf(cache.admit(requestOf([...range(0, 6), 99])));
    expect(second.cachedTokenCount).toBe(6);
    expect(cache.takeOps()).toEqual([{ kind: 'copy', from: first.seq, to: second.seq, tokenCount: 6 }]);
  });

  it('does not copy what saves too little', () => {
    const cache = createPerSequenceCache(options);
    admitComputed(cache, range(0, 9));
    expect(leaseOf(cache.admit(requestOf([0, 1, 99]))).cachedTokenCount).toBe(0);
    expect(cache.takeOps()).toEqual([]);
  });

  it('copies and waits for no less than a copy is worth, and for no less than the fewest tokens', () => {
    const cache = createPerSequenceCache(options);
    admitComputed(cache, range(0, 9));
    cache.weighCopies({ foundTokens: 6.5, unheldTokens: 1 });
    expect(cache.cachedTokenCount(requestOf([...range(0, 6), 99]))).toBe(0);
    expect(cache.cachedTokenCount(requestOf([...range(0, 7), 99]))).toBe(7);
    expect(leaseOf(cache.admit(requestOf([...range(0, 6), 98]))).cachedTokenCount).toBe(0);
    expect(cache.takeOps()).toEqual([]);
    // Its first 6 tokens are known, and not computed yet; 7 would be waited for.
    leaseOf(cache.admit(requestOf(range(50, 57))));
    expect(cache.admit(requestOf([...range(50, 57), 99]))).toEqual({ kind: 'pending-prefix' });
    expect(leaseOf(cache.admit(requestOf([...range(50, 56), 99]))).cachedTokenCount).toBe(0);
    cache.weighCopies({ foundTokens: 0, unheldTokens: 0 });
    expect(cache.cachedTokenCount(requestOf([0, 1, 97]))).toBe(0);
    expect(cache.cachedTokenCount(requestOf([...range(0, 3), 97]))).toBe(3);
  });

  it('cuts what is not worth a copy where it is, if the rest is not likely to be asked for', () => {
    for (const { unheldTokens, found } of [
      { unheldTokens: 12, found: [0, 0] },
      { unheldTokens: 24, found: [0, 4] },
    ]) {
      const cache = createPerSequenceCache(options);
      cachePrefix(cache, range(0, 12));
      cache.weighCopies({ foundTokens: 12, unheldTokens });
      // Fewer than are ever copied are no reason to cut anything.
      const counts = [2, 4].map((count) => cache.cachedTokenCount(requestOf([...range(0, count), 99])));
      expect(counts).toEqual(found);
      // Worth a copy, it is copied, and the rest stays.
      cache.weighCopies({ foundTokens: 4, unheldTokens: 100 });
      expect(leaseOf(cache.admit(requestOf([...range(0, 4), 99])))).toMatchObject({ seq: 1, cachedTokenCount: 4 });
    }
  });

  it('isolates namespaces', () => {
    const cache = createPerSequenceCache(options);
    cachePrefix(cache, range(0, 8), 'a');
    expect(cache.cachedTokenCount(requestOf(range(0, 9), 'b'))).toBe(0);
    expect(cache.cachedTokenCount(requestOf(range(0, 9), 'a'))).toBe(8);
  });

  it('waits for a running sequence that is going to compute at least a block more of the prefix', () => {
    const cache = createPerSequenceCache(options);
    const first = leaseOf(cache.admit(requestOf(range(0, 12))));
    expect(cache.admit(requestOf(range(0, 13)))).toEqual({ kind: 'pending-prefix' });
    cache.commit(first, { ...requestOf(range(0, 12)), tokenCount: 9 });
    expect(leaseOf(cache.admit(requestOf(range(0, 13)))).cachedTokenCount).toBe(9);
  });
});

describe('which slab runs', () => {
  it('keeps running ids next to one another, filling gaps first', () => {
    const cache = createPerSequenceCache(options);
    const leases = range(0, 4).map((start) => admitComputed(cache, range(10 * start, 10 * start + 4)));
    for (const index of [1, 3]) {
      const lease = leases[index];
      if (lease !== undefined) cache.release(lease, 'keep');
    }
    // Slab 1 lies between two running ones; slab 3 beside one.
    expect(leaseOf(cache.admit(requestOf([90, 91]))).seq).toBe(1);
  });

  it('moves content worth keeping out of the way of a new sequence', () => {
    const cache = createPerSequenceCache(options);
    const running = admitComputed(cache, range(0, 4));
    cache.release(admitComputed(cache, range(100, 108)), 'keep');
    cache.takeOps();
    expect(running.seq).toBe(0);
    const lease = leaseOf(cache.admit(requestOf(range(200, 204))));
    expect(lease.seq).toBe(1);
    expect(cache.takeOps()).toEqual([
      { kind: 'copy', from: 1, to: 2, tokenCount: 8 },
      { kind: 'truncate', seq: 1, fromPosition: 0 },
    ]);
    expect(cache.cachedTokenCount(requestOf(range(100, 109)))).toBe(8);
    expect(cache.stats().evictedBlockCount).toBe(0);
  });

  it('lets content go that is not worth a copy', () => {
    const cache = createPerSequenceCache(options);
    admitComputed(cache, range(0, 4));
    cache.release(admitComputed(cache, range(100, 108)), 'keep');
    cache.takeOps();
    cache.weighCopies({ foundTokens: 3, unheldTokens: 8.5 });
    expect(leaseOf(cache.admit(requestOf(range(200, 204)))).seq).toBe(1);
    expect(cache.takeOps()).toEqual([{ kind: 'truncate', seq: 1, fromPosition: 0 }]);
    expect(cache.stats().evictedBlockCount).toBe(2);
  });

  it('keeps a conversation where it is, whatever a copy is worth, where another one would have to go', () => {
    const cache = createPerSequenceCache(options);
    const leases = range(0, 4).map((index) => admitComputed(cache, range(10 * index, 10 * index + 8)));
    for (const lease of leases.slice(1)) cache.release(lease, 'keep');
    cache.weighCopies({ foundTokens: 12, unheldTokens: 12 });
    // Slab 0 runs; the content of slab 1, beside it, was used as lately as that of slab 3, which the conversation is in.
    expect(leaseOf(cache.admit(requestOf(range(30, 39))))).toMatchObject({ seq: 3, cachedTokenCount: 8 });
    expect(cache.cachedTokenCount(requestOf(range(10, 19)))).toBe(8);
  });

  it('moves the age of content along with it', () => {
    const cache = createPerSequenceCache(options);
    const leases = range(0, 3).map((index) => admitComputed(cache, range(10 * index, 10 * index + 8)));
    for (const lease of leases.slice(1).toReversed()) cache.release(lease, 'keep');
    // Slab 0 runs. Slab 1's content, the most recent, goes to slab 3; slab 2's is then the one to evict.
    expect(leaseOf(cache.admit(requestOf(range(90, 94)))).seq).toBe(1);
    expect(leaseOf(cache.admit(requestOf(range(95, 99)))).seq).toBe(2);
    expect(cache.cachedTokenCount(requestOf(range(10, 19)))).toBe(8);
    expect(cache.cachedTokenCount(requestOf(range(20, 29)))).toBe(0);
  });

  it('brings a conversation back beside the running ones where nothing is lost by it', () => {
    const cache = createPerSequenceCache(options);
    const leases = range(0, 4).map((index) => admitComputed(cache, range(10 * index, 10 * index + 8)));
    for (const lease of leases.slice(1)) cache.release(lease, lease.seq === 1 ? 'discard' : 'keep');
    cache.takeOps();
    const lease = leaseOf(cache.admit(requestOf(range(30, 39))));
    expect(lease).toMatchObject({ seq: 1, cachedTokenCount: 8 });
    expect(cache.takeOps()).toEqual([
      { kind: 'copy', from: 3, to: 1, tokenCount: 8 },
      { kind: 'truncate', seq: 3, fromPosition: 0 },
    ]);
  });

  it('brings it back at the cost of what nobody has asked for in two rounds of all slabs', () => {
    const cache = createPerSequenceCache(options);
    let [running] = fillAll(cache);
    for (let turn = 0; turn < 2 * options.cacheSeqCount; turn++) {
      if (running !== undefined) cache.release(running, 'keep');
      running = leaseOf(cache.admit(requestOf(range(0, 9))));
    }
    cache.takeOps();
    expect(running?.seq).toBe(0);
    const lease = leaseOf(cache.admit(requestOf(range(30, 39))));
    expect(lease).toMatchObject({ seq: 1, cachedTokenCount: 8 });
    expect(cache.takeOps()).toEqual([
      { kind: 'truncate', seq: 1, fromPosition: 0 },
      { kind: 'copy', from: 3, to: 1, tokenCount: 8 },
      { kind: 'truncate', seq: 3, fromPosition: 0 },
    ]);
  });

  it('leaves a gap rather than drive out what another conversation will continue', () => {
    const cache = createPerSequenceCache(options);
    const starts = [0, 100, 200, 300];
    const leases = starts.map((start) => admitComputed(cache, range(start, start + 8)));
    for (const lease of leases) cache.release(lease, 'keep');
    // Their next turns come in another order, all at once.
    const turns = [2, 0, 3, 1].map((user) => 100 * user);
    const found = turns.map(
      (start) => leaseOf(cache.admit(requestOf([...range(start, start + 8), 99]))).cachedTokenCount,
    );
    expect(found).toEqual([8, 8, 8, 8]);
  });

  it('evicts the least recently used slab, wherever it is', () => {
    const cache = createPerSequenceCache(options);
    fillAll(cache);
    // Next to the running slab 0 lies slab 1, the least recently used: evicted in place.
    expect(leaseOf(cache.admit(requestOf(range(90, 94)))).seq).toBe(1);
    expect(cache.stats().evictedBlockCount).toBe(2);
    expect(cache.cachedTokenCount(requestOf(range(10, 19)))).toBe(0);
    expect(cache.cachedTokenCount(requestOf(range(20, 29)))).toBe(8);
  });

  it('restores into a slab that no copy is under way for, and moves nothing there', () => {
    const cache = createPerSequenceCache({ ...options, cacheSeqCount: 3 });
    cachePrefix(cache, range(0, 12));
    // Copies from slab 0, which stays idle, to slab 1.
    expect(leaseOf(cache.admit(requestOf([...range(0, 4), 99]))).seq).toBe(1);
    expect(leaseOf(cache.admitDetached(5)).seq).toBe(2);
    expect(cache.takeOps()).toEqual([{ kind: 'copy', from: 0, to: 1, tokenCount: 4 }]);
    expect(leaseOf(cache.admitDetached(5)).seq).toBe(0);
    expect(cache.takeOps()).toEqual([{ kind: 'truncate', seq: 0, fromPosition: 0 }]);
  });

  it('says which limit is reached', () => {
    const cache = createPerSequenceCache({ ...options, cacheSeqCount: 1 });
    expect(cache.admit(requestOf(range(0, 17)))).toEqual({ kind: 'no-blocks' });
    const lease = leaseOf(cache.admit(requestOf(range(0, 15))));
    expect(cache.extend(lease, 16)).toBe(true);
    expect(cache.extend(lease, 17)).toBe(false);
    expect(cache.admit(requestOf([1]))).toEqual({ kind: 'no-sequence-id' });
    cache.commit(lease, requestOf([0]));
    expect(cache.fork(lease, requestOf([0]))).toEqual({ kind: 'no-sequence-id' });
  });
});

describe('release', () => {
  it('keeps what was committed, to the token', () => {
    const cache = createPerSequenceCache(options);
    const lease = leaseOf(cache.admit(requestOf(range(0, 12))));
    cache.commit(lease, { ...requestOf(range(0, 12)), tokenCount: 7 });
    cache.release(lease, 'keep');
    expect(cache.takeOps()).toEqual([{ kind: 'truncate', seq: 0, fromPosition: 7 }]);
    expect(cache.stats().blocks).toMatchObject({ held: 0, cached: 2 });
  });

  it('keeps one of two slabs with the same content', () => {
    const cache = createPerSequenceCache(options);
    const first = admitComputed(cache, range(0, 9));
    const forked = leaseOf(cache.fork(first, requestOf(range(0, 9))));
    cache.takeOps();
    cache.release(first, 'keep');
    cache.release(forked, 'keep');
    expect(cache.stats()).toMatchObject({ seqKeeper: 1, seqFree: 3 });
    expect(cache.cachedTokenCount(requestOf(range(0, 10)))).toBe(9);
  });

  it('leaves nothing of what was restored or discarded', () => {
    const cache = createPerSequenceCache(options);
    const restored = leaseOf(cache.admitDetached(9));
    cache.commit(restored, requestOf(range(0, 9)));
    expect(cache.cachedTokenCount(requestOf(range(0, 10)))).toBe(0);
    cache.release(restored, 'keep');
    cache.release(admitComputed(cache, range(0, 9)), 'discard');
    expect(cache.stats()).toMatchObject({ seqFree: 4, blocks: { free: 16 } });
  });
});

it('refuses sizes that cannot work', () => {
  expect(() => createPerSequenceCache({ ...options, slabTokens: 3 })).toThrow('slab tokens must be >= 4. Given: 3');
  expect(() => createPerSequenceCache({ ...options, copyMinTokens: 0 })).toThrow('Given: 0');
});

/** Slab 0 runs, slabs 1 to 3 hold conversations that ended, in this order. */
function fillAll(cache: KvCache) {
  const leases = range(0, 4).map((index) => admitComputed(cache, range(10 * index, 10 * index + 8)));
  for (const lease of leases.slice(1)) cache.release(lease, 'keep');
  cache.takeOps();
  return leases;
}
