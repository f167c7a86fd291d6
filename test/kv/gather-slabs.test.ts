// Which running sequence moves where, by worked examples: a row of slabs, some of them running.

import { describe, expect, it } from 'vitest';
import { createPerSequenceCache } from '../../src/kv/per-sequence-cache.ts';
import type { GatherLimits, KvCache, Lease } from '../../src/kv/types.ts';
import { admitComputed, range, requestOf } from './requests.ts';

const all = { movesMax: 100, lossTokensMax: Number.POSITIVE_INFINITY };
const tokensOf = (seq: number) => range(1000 * seq, 1000 * seq + 8);

/** Slabs in order: `R` runs, `k` keeps what it computed, `.` is empty; those that keep were used in order of their ids. */
function cacheOf(picture: string): { cache: KvCache; leases: Map<number, Lease> } {
  const sizes = { cacheSeqCount: picture.length, slabTokens: 16, blockTokens: 4, copyMinTokens: 3 };
  const cache = createPerSequenceCache(sizes);
  const leases = new Map([...picture].map((_, seq) => [seq, admitComputed(cache, tokensOf(seq))]));
  for (const [seq, state] of [...picture].entries()) {
    const lease = leases.get(seq);
    if (lease === undefined || state === 'R') continue;
    cache.release(lease, state === 'k' ? 'keep' : 'discard');
    leases.delete(seq);
  }
  cache.takeOps();
  return { cache, leases };
}

/** Moves until nobody does; from and to of each. */
function movesOf(picture: string, limits: GatherLimits = all): string[] {
  const { cache } = cacheOf(picture);
  const moves: string[] = [];
  for (let moved = cache.gather(limits); moved !== undefined; moved = cache.gather(limits)) {
    moves.push(`${moved.from.seq}>${moved.to.seq}`);
    expect(cache.check()).toEqual([]);
  }
  return moves;
}

describe('gathering', () => {
  it('takes the fewest moves after which running ids follow one another', () => {
    expect(movesOf('RRRR....')).toEqual([]);
    expect(movesOf('RRR.RRRR')).toEqual(['7>3']);
    expect(movesOf('R....RRR')).toEqual(['0>4']);
    expect(movesOf('RRR..R.R')).toEqual(['5>3', '7>4']);
    expect(movesOf('R..R..R.')).toEqual(['3>1', '6>2']);
  });

  it('does nothing where more moves are needed than are worth it, or where nobody runs', () => {
    expect(movesOf('RRR..R.R', { ...all, movesMax: 1 })).toEqual([]);
    expect(movesOf('kk..')).toEqual([]);
  });

  it('copies what was computed, and empties the slab it came from', () => {
    const { cache, leases } = cacheOf('RR..R');
    const moved = cache.gather(all);
    expect(moved).toMatchObject({ from: leases.get(4), lostTokenCount: 0 });
    expect(cache.takeOps()).toEqual([
      { kind: 'copy', from: 4, to: 2, tokenCount: 8 },
      { kind: 'truncate', seq: 4, fromPosition: 0 },
    ]);
    // It goes on under the new id, and its beginning is found there.
    const goesOn = requestOf([...tokensOf(4), 7]);
    if (moved === undefined) throw new Error('nobody moved');
    expect(cache.extend(moved.to, goesOn.tokenCount)).toBe(true);
    cache.commit(moved.to, goesOn);
    expect(cache.cachedTokenCount(requestOf([...tokensOf(4), 7, 8]))).toBe(9);
  });

  it('moves a kept prefix out of the way into an empty slab', () => {
    const { cache } = cacheOf('RkR.');
    expect(cache.gather(all)).toMatchObject({ copyCount: 2, lostTokenCount: 0 });
    expect(cache.takeOps()).toEqual([
      { kind: 'copy', from: 1, to: 3, tokenCount: 8 },
      { kind: 'truncate', seq: 1, fromPosition: 0 },
      { kind: 'copy', from: 2, to: 1, tokenCount: 8 },
      { kind: 'truncate', seq: 2, fromPosition: 0 },
    ]);
    expect(cache.cachedTokenCount(requestOf([...tokensOf(1), 7]))).toBe(8);
  });

  it('loses the least recently used prefix where no slab is empty, and only where that is worth it', () => {
    expect(movesOf('RkRk', { ...all, lossTokensMax: 7 })).toEqual([]);
    const { cache } = cacheOf('kkRkR');
    expect(cache.gather({ ...all, lossTokensMax: 8 })).toMatchObject({ lostTokenCount: 8 });
    expect([0, 1, 3].map((seq) => cache.cachedTokenCount(requestOf([...tokensOf(seq), 7])))).toEqual([0, 8, 8]);
  });
});
