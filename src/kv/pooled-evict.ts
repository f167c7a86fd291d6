// Eviction in the pooled cache: leaves first, by policy; each eviction shortens the keeper that covered the leaf.
// Why keepers and evictable leaves are one to one: a keeper that ends where another id ends, or above one, covers nothing
// of its own and is freed at once, so an unheld leaf is always the end of exactly one id, its keeper.

import { assert, must } from '../assert.ts';
import type { CacheSeqId } from '../ids.ts';
import { isInHeap, removeFromHeap, smallest } from './heap.ts';
import { anyEndAt, demotingTokenCount, endOf, freeId, roleOf, setEnd } from './native-sequences.ts';
import { offerForEviction, type PooledState, rowsSinceUse } from './pooled-state.ts';
import { contentOf, depthOf, firstChildOf, parentOf, removeBlock } from './prefix-tree.ts';
import { none } from './typed-array.ts';

/** Evicts until `blockCount` blocks are free. There must be that many to free. O(evictions * log blocks). */
export function makeRoom(state: PooledState, blockCount: number): void {
  if (state.pool.freeCount >= blockCount) return;
  const shortened = new Set<CacheSeqId>();
  while (state.pool.freeCount < blockCount) {
    const leaf = must(smallest(state.evictable), 'room was counted before it is made');
    offer(state, leaf);
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
  let leaf = must(smallest(state.evictable), 'there is a keeper to free');
  const shortened = new Set<CacheSeqId>();
  for (;;) {
    offer(state, leaf);
    const keeper = evictLeaf(state, leaf);
    state.evictedBlockCount += 1;
    shortened.add(keeper);
    leaf = endOf(state.seqs, keeper);
    if (leaf === none || !isInHeap(state.evictable, leaf)) break;
  }
  truncateAll(state, shortened);
}

/**
 * Tokens of the prefixes that go before their room is needed, from which on the others wait for the next step: a copy holds
 * it up, and nobody waits for their cells. At least one goes, however long.
 */
const unpaidDemotingTokensMax = 1024;

/**
 * Evicts what has cost the rows since its last use as much as computing it again will (`keptRowsMax`). O(1) when nothing has.
 * Why at that moment: whoever pays rent until it equals the price has paid at most twice what foresight would have cost.
 * Under a policy other than the least recently used, only the next to go is looked at.
 */
export function evictUnpaid(state: PooledState): void {
  const next = (): number | undefined => {
    const leaf = smallest(state.evictable);
    return leaf !== undefined && rowsSinceUse(state, leaf) > state.keptRowsMax ? leaf : undefined;
  };
  let leaf = next();
  if (leaf === undefined) return;
  const shortened = new Set<CacheSeqId>();
  for (; leaf !== undefined; leaf = next()) {
    if (keeperToOffer(state, leaf) !== undefined && demotingTokenCount(state.seqs.ops) >= unpaidDemotingTokensMax)
      break;
    offer(state, leaf);
    shortened.add(evictLeaf(state, leaf));
    state.evictedBlockCount += 1;
  }
  truncateAll(state, shortened);
}

/** Evicts every unheld block. */
export function evictAll(state: PooledState): void {
  const shortened = new Set<CacheSeqId>();
  for (let leaf = smallest(state.evictable); leaf !== undefined; leaf = smallest(state.evictable)) {
    shortened.add(evictLeaf(state, leaf));
  }
  truncateAll(state, shortened);
}

/**
 * Offers the whole path of a leaf's keeper to host memory, once, however many of its blocks make room later: what is above
 * is the next to go, and a copy of it all costs little more than many of its parts.
 */
function offer(state: PooledState, leaf: number): void {
  const keeper = keeperToOffer(state, leaf);
  if (keeper === undefined) return;
  state.offered[keeper] = 1;
  state.seqs.ops.push({ kind: 'demote', seq: keeper, ...contentOf(state.tree, leaf) });
}

/** The leaf's keeper, if it is long enough for host memory and was not offered before. */
export function keeperToOffer(state: PooledState, leaf: number): CacheSeqId | undefined {
  const keeper = must(anyEndAt(state.seqs, leaf), 'an unheld leaf has a keeper');
  const isLong = depthOf(state.tree, leaf) * state.blockTokens >= state.demoteMinTokens;
  return isLong && state.offered[keeper] !== 1 ? keeper : undefined;
}

/** Evicts one leaf; answers its keeper, which now ends at the block above or is free. */
function evictLeaf(state: PooledState, leaf: number): CacheSeqId {
  const { tree, seqs, pool } = state;
  const keeper = must(anyEndAt(seqs, leaf), 'an unheld leaf has a keeper');
  assert(roleOf(seqs, keeper) === 'keeper', 'an unheld leaf is covered by its keeper');
  const above = parentOf(tree, leaf);
  removeFromHeap(state.evictable, leaf);
  state.cachedCount -= 1;
  removeBlock(tree, leaf);
  pool.release(leaf);
  if (above === none || firstChildOf(tree, above) !== none || anyEndAt(seqs, above) !== undefined) {
    freeId(seqs, keeper);
  } else {
    setEnd(seqs, keeper, above);
    if (pool.refCount(above) === 1) offerForEviction(state, above);
  }
  return keeper;
}

/** One truncate per id, however long the chain that was evicted. */
function truncateAll(state: PooledState, shortened: ReadonlySet<CacheSeqId>): void {
  for (const seq of shortened) {
    const end = endOf(state.seqs, seq);
    state.seqs.ops.push({
      kind: 'truncate',
      seq: seq,
      fromPosition: end === none ? 0 : depthOf(state.tree, end) * state.blockTokens,
    });
  }
}
