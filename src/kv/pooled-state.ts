// The state of the pooled cache, and the moves that keep its counts true: a block is held, released, entered into the tree.
// Why every move is here: free + held + cached = total holds because no other file touches reference counts.

import { assert, must } from '../assert.ts';
import type { BlockId } from '../ids.ts';
import { type BlockPool, createBlockPool } from './block-pool.ts';
import { leastRecentlyUsed } from './eviction.ts';
import { addToHeap, createIndexedHeap, type IndexedHeap, removeFromHeap } from './heap.ts';
import { createNativeSequences, type NativeSequences } from './native-sequences.ts';
import {
  createPrefixTree,
  depthOf,
  firstChildOf,
  insertBlock,
  isInTree,
  type Place,
  type PrefixTree,
  removeBlock,
} from './prefix-tree.ts';
import { positiveInteger } from './sizes.ts';
import { at, atFloat, none } from './typed-array.ts';
import type { EvictionPolicy, Lease } from './types.ts';

export interface PooledCacheOptions {
  readonly blockCount: number;
  readonly blockTokens: number;
  /** Usable native sequence ids. */
  readonly cacheSeqCount: number;
  /** Least recently used first unless told otherwise. */
  readonly evictionPolicy?: EvictionPolicy;
  /**
   * Rows that may be computed after the last use of a kept prefix before it is evicted, room or not: where every row pays for
   * every cell in use, a prefix has by then cost as much as computing it again. Undefined: kept as long as there is room.
   */
  readonly keptRowsMax?: number | undefined;
  /** A secret integer keeps clients from choosing tokens whose blocks collide in the index. */
  readonly hashSeed?: number;
  /** A keeper that makes room is offered to host memory from this many tokens on; undefined offers nothing. */
  readonly demoteMinTokens?: number | undefined;
}

/**
 * A lease as the pooled cache sees it. Who owns which of its blocks, by index (B = blockTokens):
 *
 *   [0, cachedTokenCount/B)          found in the tree at admission, computed by others
 *   [.., committedCount/B)           computed by this lease
 *   [.., insertedCount)              in the tree; those not committed yet are pending: no other lease may list them
 *   [insertedCount, blocks.length)   private: not in the tree, freed with the last lease that lists them
 */
export interface PooledLease extends Lease {
  readonly blocks: BlockId[];
  committedCount: number;
  insertedCount: number;
  /** Leading tokens that were copied from host memory, if any: no rows were computed for them. */
  filledCount: number;
  /** Enters nothing more into the tree: its next block is there already, computed by another sequence. */
  detached: boolean;
}

export interface PooledState {
  readonly blockTokens: number;
  readonly pool: BlockPool;
  readonly tree: PrefixTree;
  readonly seqs: NativeSequences;
  /** The blocks that may be evicted now: leaves of the tree that no lease lists. */
  readonly evictable: IndexedHeap;
  readonly policy: EvictionPolicy;
  /** Lease of each running native sequence id. Shape (cacheSeqCount,). */
  readonly leases: (PooledLease | undefined)[];
  /** Logical clock of each block's last release. Shape (blockCount,). */
  readonly lastUses: Float64Array;
  /** Admissions that found the block cached. Shape (blockCount,). */
  readonly hitCounts: Int32Array;
  readonly demoteMinTokens: number;
  /** 1 for a keeper that was offered to host memory, whole, when its first block made room. Shape (cacheSeqCount,). */
  readonly offered: Uint8Array;
  readonly keptRowsMax: number;
  /** Rows that had been computed when the block was last released. Shape (blockCount,). */
  readonly lastUseRows: Float64Array;
  /** Rows that were committed, by all leases, but for what came from host memory. */
  computedRowCount: number;
  clock: number;
  /** Blocks of the tree that no lease lists. */
  cachedCount: number;
  evictedBlockCount: number;
  prefixQueryTokenCount: number;
  prefixHitTokenCount: number;
}

/** An empty cache. Throws a RangeError when a size is not a positive integer. */
export function createPooledState(options: PooledCacheOptions): PooledState {
  const { blockCount, cacheSeqCount } = options;
  const blockTokens = positiveInteger('block tokens', options.blockTokens);
  const pool = createBlockPool(blockCount);
  return {
    blockTokens,
    pool,
    tree: createPrefixTree({ blockCount, blockTokens, hashSeed: options.hashSeed ?? 0 }),
    seqs: createNativeSequences(cacheSeqCount, blockCount),
    evictable: createIndexedHeap(blockCount),
    policy: options.evictionPolicy ?? leastRecentlyUsed,
    leases: Array.from({ length: cacheSeqCount }, () => undefined),
    lastUses: new Float64Array(blockCount),
    hitCounts: new Int32Array(blockCount),
    demoteMinTokens: options.demoteMinTokens ?? Number.POSITIVE_INFINITY,
    offered: new Uint8Array(cacheSeqCount),
    keptRowsMax: options.keptRowsMax ?? Number.POSITIVE_INFINITY,
    lastUseRows: new Float64Array(blockCount),
    computedRowCount: 0,
    clock: 0,
    cachedCount: 0,
    evictedBlockCount: 0,
    prefixQueryTokenCount: 0,
    prefixHitTokenCount: 0,
  };
}

/** The cache's own record of a lease; throws when the lease has ended. */
export function ownLease(state: PooledState, lease: Lease): PooledLease {
  const own = must(state.leases[lease.seq], 'a lease is used before its release');
  assert(own === lease, 'a lease is used before its release');
  return own;
}

/** Whether the tree alone keeps this block. */
export function isCached(state: PooledState, block: number): boolean {
  return isInTree(state.tree, block) && state.pool.refCount(block) === 1;
}

/** One more lease lists the block. */
export function holdBlock(state: PooledState, block: number): void {
  if (isCached(state, block)) {
    state.cachedCount -= 1;
    if (firstChildOf(state.tree, block) === none) removeFromHeap(state.evictable, block);
  }
  state.pool.hold(block);
}

/** One lease less lists the block. */
export function releaseBlock(state: PooledState, block: number): void {
  state.pool.release(block);
  if (!isCached(state, block)) return;
  state.cachedCount += 1;
  if (firstChildOf(state.tree, block) === none) offerForEviction(state, block);
}

/** Enters a block that a lease lists into the tree as pending. */
export function enterBlock(state: PooledState, block: number, place: Place): void {
  insertBlock(state.tree, block, place);
  state.pool.hold(block);
  state.hitCounts[block] = 0;
}

/** Takes a block that some lease still lists out of the tree. */
export function withdrawBlock(state: PooledState, block: number): void {
  removeBlock(state.tree, block);
  state.pool.release(block);
}

/** Rows computed since an unheld block was last used. */
export function rowsSinceUse({ lastUseRows, computedRowCount }: PooledState, block: number): number {
  return computedRowCount - atFloat(lastUseRows, block);
}

/** Makes an unheld leaf of the tree a candidate for eviction. */
export function offerForEviction(state: PooledState, block: number): void {
  const value = state.policy({
    lastUse: atFloat(state.lastUses, block),
    depth: depthOf(state.tree, block),
    hitCount: at(state.hitCounts, block),
  });
  addToHeap(state.evictable, block, value);
}
