// Eviction in the pooled cache: leaves first, by policy; each eviction shortens the keeper that covered the leaf.
// Why keepers and evictable leaves are one to one: a keeper that ends where another id ends, or above one, covers nothing
// of its own and is freed at once, so an unheld leaf is always the end of exactly one id, its keeper.

import { assert, must } from '../assert.ts';
import type { CacheSeqId } from '../ids.ts';
import { offerForEviction, type PooledState } from './pooled-state.ts';
import { none } from './typed-array.ts';

/** Evicts until `blockCount` blocks are free. There must be that many to free. O(evictions * log blocks). */
export function makeRoom(state: PooledState, blockCount: number): void {
  if (state.pool.freeCount >= blockCount) return;
  const shortened = new Set<CacheSeqId>();
  while (state.pool.freeCount < blockCount) {
    const leaf = must(state.evictable.peek(), 'room was counted before it is made');
    shortened.add(evictLeaf(state, leaf));
    state.evictedBlockCount += 1;
  }
  truncateAll(state, shortened);
}

/**
 * Evicts the least valuable leaf, and what only its keeper covers above it, so that the keeper's id is free. When that
 * reaches a block that is held but not covered by a running id yet (an admission in progress), the keeper stays there.
 */
export function freeLeastKeeper(state: PooledState): void {
  let leaf = must(state.evictable.peek(), 'there is a keeper to free');
  const shortened = new Set<CacheSeqId>();
  for (;;) {
    const keeper = evictLeaf(state, leaf);
    state.evictedBlockCount += 1;
    shortened.add(keeper);
    leaf = state.seqs.endOf(keeper);
    if (leaf === none || !state.evictable.has(leaf)) break;
  }
  truncateAll(state, shortened);
}

/** Evicts every unheld block. */
export function evictAll(state: PooledState): void {
  const shortened = new Set<CacheSeqId>();
  for (let leaf = state.evictable.peek(); leaf !== undefined; leaf = state.evictable.peek()) {
    shortened.add(evictLeaf(state, leaf));
  }
  truncateAll(state, shortened);
}

/** Evicts one leaf; answers its keeper, which now ends at the block above or is free. */
function evictLeaf(state: PooledState, leaf: number): CacheSeqId {
  const { tree, seqs, pool } = state;
  const keeper = must(seqs.anyEndAt(leaf), 'an unheld leaf has a keeper');
  assert(seqs.role(keeper) === 'keeper', 'an unheld leaf is covered by its keeper');
  const above = tree.parent(leaf);
  state.evictable.remove(leaf);
  state.cachedCount -= 1;
  tree.remove(leaf);
  pool.release(leaf);
  if (above === none || tree.firstChild(above) !== none || seqs.anyEndAt(above) !== undefined) {
    seqs.setEnd(keeper, none);
    seqs.free(keeper);
  } else {
    seqs.setEnd(keeper, above);
    if (pool.refCount(above) === 1) offerForEviction(state, above);
  }
  return keeper;
}

/** One truncate per id, however long the chain that was evicted. */
function truncateAll(state: PooledState, shortened: ReadonlySet<CacheSeqId>): void {
  for (const seq of shortened) {
    const end = state.seqs.endOf(seq);
    state.seqs.truncate(seq, end === none ? 0 : state.tree.depth(end) * state.blockTokens);
  }
}
