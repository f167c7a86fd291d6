// The pooled cache: one pool of blocks, one tree of whole blocks, prefixes shared by reference.
// Why it never copies what it can adopt: a conversation's next turn continues exactly where a keeper ends, so the new
// sequence takes over the keeper's native id and the native cache has nothing to do.
// Source: PagedAttention (arXiv 2309.06180) for blocks, RadixAttention (arXiv 2312.07104) for the tree of prefixes.

import { assert, must } from '../assert.ts';
import { type BlockId, blockId, type CacheSeqId } from '../ids.ts';
import { anyEndAt, demotingTokenCount, setEnd, takeOps } from './native-sequences.ts';
import { believedPositions, checkPooled, pooledStats } from './pooled-check.ts';
import { evictAll, evictUnpaid, makeRoom } from './pooled-evict.ts';
import { becomeKeeperOrFree, takeSequence } from './pooled-keepers.ts';
import {
  createPooledState,
  enterBlock,
  holdBlock,
  isCached,
  ownLease,
  type PooledCacheOptions,
  type PooledLease,
  type PooledState,
  releaseBlock,
  withdrawBlock,
} from './pooled-state.ts';
import { findBlock, firstChildOf, isComputed, markComputed } from './prefix-tree.ts';
import { none } from './typed-array.ts';
import type { Admission, CacheRequest, KvCache } from './types.ts';

/** An empty pooled cache. Throws a RangeError when a size is not a positive integer. */
export function createPooledCache(options: PooledCacheOptions): KvCache {
  const state = createPooledState(options);
  return {
    blockTokens: options.blockTokens,
    blockCount: options.blockCount,
    cachedTokenCount: (request) => matchComputed(state, request).length * options.blockTokens,
    admit: (request) => admit(state, request),
    admitToFill: (request, filledCount) => admit(state, request, filledCount),
    admitDetached: (tokenCount, filledCount) => admitDetached(state, tokenCount, filledCount),
    fork: (lease, request) => fork(state, ownLease(state, lease), request),
    // A pool computes any ids together.
    gather: () => undefined,
    weighCopies: () => {},
    extend: (lease, tokenCount) => extend(state, ownLease(state, lease), tokenCount),
    cut: (lease, tokenCount) => cut(state, ownLease(state, lease), tokenCount),
    commit: (lease, request) => commit(state, ownLease(state, lease), request),
    release: (lease, keep) => release(state, ownLease(state, lease), keep),
    clear: () => evictAll(state),
    takeOps: () => takeOps(state.seqs),
    demotingTokenCount: () => demotingTokenCount(state.seqs.ops),
    stats: () => pooledStats(state),
    check: () => checkPooled(state),
    believedPositions: () => believedPositions(state),
  };
}

function admit(state: PooledState, request: CacheRequest, filledCount = 0): Admission {
  assert(request.tokenCount >= 1, 'a request has at least one token');
  const matched = matchComputed(state, request);
  if (isNextPending(state, request, matched)) return { kind: 'pending-prefix' };
  const wantedCount = blocksFor(state, request.tokenCount) - matched.length;
  const unheldCount = matched.reduce((count, block) => count + (isCached(state, block) ? 1 : 0), 0);
  const refusal = refuse(state, wantedCount + unheldCount);
  if (refusal !== undefined) return refusal;

  for (const block of matched) {
    holdBlock(state, block);
    state.hitCounts[block] = (state.hitCounts[block] ?? 0) + 1;
  }
  const seq = takeSequence(state, { end: matched.at(-1) ?? none, wantedCount });
  const cachedTokenCount = matched.length * state.blockTokens;
  const lease = openLease(state, { seq, blocks: matched, cachedTokenCount, insertedCount: matched.length });
  lease.filledCount = filledCount;
  takeBlocks(state, lease, wantedCount);
  enterWhole(state, lease, request);
  state.prefixQueryTokenCount += request.tokenCount;
  state.prefixHitTokenCount += cachedTokenCount;
  return { kind: 'admitted', lease };
}

function admitDetached(state: PooledState, tokenCount: number, filledCount = 0): Admission {
  assert(tokenCount >= 1, 'a request has at least one token');
  const wantedCount = blocksFor(state, tokenCount);
  const refusal = refuse(state, wantedCount);
  if (refusal !== undefined) return refusal;
  const seq = takeSequence(state, { end: none, wantedCount });
  const lease = openLease(state, { seq, blocks: [], cachedTokenCount: 0, insertedCount: 0 });
  lease.detached = true;
  lease.filledCount = filledCount;
  takeBlocks(state, lease, wantedCount);
  return { kind: 'admitted', lease };
}

function fork(state: PooledState, origin: PooledLease, request: CacheRequest): Admission {
  const { tokenCount } = request;
  assert(tokenCount >= 1 && tokenCount <= origin.committedCount, 'only computed tokens are forked');
  const sharedCount = Math.floor(tokenCount / state.blockTokens);
  const wantedCount = blocksFor(state, tokenCount) - sharedCount;
  const refusal = refuse(state, wantedCount);
  if (refusal !== undefined) return refusal;

  const seq = takeSequence(state, { end: none, wantedCount });
  const blocks = origin.blocks.slice(0, sharedCount);
  for (const block of blocks) holdBlock(state, block);
  const insertedCount = Math.min(origin.insertedCount, sharedCount);
  setEnd(state.seqs, seq, blocks[insertedCount - 1] ?? none);
  state.seqs.ops.push({ kind: 'copy', from: origin.seq, to: seq, tokenCount: tokenCount });
  const lease = openLease(state, { seq, blocks, cachedTokenCount: tokenCount, insertedCount });
  lease.detached = insertedCount < sharedCount;
  takeBlocks(state, lease, wantedCount);
  return { kind: 'admitted', lease };
}

function extend(state: PooledState, lease: PooledLease, tokenCount: number): boolean {
  const wantedCount = blocksFor(state, tokenCount) - lease.blocks.length;
  if (wantedCount <= 0) return true;
  if (wantedCount > state.pool.freeCount + state.cachedCount) return false;
  makeRoom(state, wantedCount);
  takeBlocks(state, lease, wantedCount);
  return true;
}

function cut(state: PooledState, lease: PooledLease, tokenCount: number): void {
  assert(tokenCount >= lease.committedCount, 'what is committed is not taken back');
  const keptCount = Math.max(blocksFor(state, tokenCount), lease.insertedCount);
  for (const block of lease.blocks.splice(keptCount)) releaseBlock(state, block);
  state.seqs.ops.push({ kind: 'truncate', seq: lease.seq, fromPosition: tokenCount });
}

function commit(state: PooledState, lease: PooledLease, request: CacheRequest): void {
  const { tokenCount } = request;
  assert(tokenCount <= lease.blocks.length * state.blockTokens, 'only reserved positions are computed');
  const fromIndex = Math.floor(lease.committedCount / state.blockTokens);
  state.computedRowCount += Math.max(tokenCount - Math.max(lease.committedCount, lease.filledCount), 0);
  lease.committedCount = Math.max(tokenCount, lease.committedCount);
  const wholeCount = Math.floor(lease.committedCount / state.blockTokens);
  for (let index = fromIndex; index < Math.min(wholeCount, lease.insertedCount); index++) {
    markComputed(state.tree, blockAt(lease, index));
  }
  enterWhole(state, lease, request);
  evictUnpaid(state);
}

function release(state: PooledState, lease: PooledLease, keep: 'keep' | 'discard'): void {
  const { tree, seqs, pool } = state;
  state.leases[lease.seq] = undefined;
  state.clock += 1;
  setEnd(seqs, lease.seq, none);
  let end = none;
  // From the last block to the first, so that a block is looked at after those below it.
  for (let index = lease.blocks.length - 1; index >= 0; index--) {
    const block = blockAt(lease, index);
    if (index < lease.insertedCount) {
      const isOnlyOurs =
        pool.refCount(block) === 2 && firstChildOf(tree, block) === none && anyEndAt(seqs, block) === undefined;
      if (!isComputed(tree, block) || (keep === 'discard' && isOnlyOurs)) {
        withdrawBlock(state, block);
      } else {
        state.lastUses[block] = state.clock;
        state.lastUseRows[block] = state.computedRowCount;
        if (end === none) end = block;
      }
    }
    releaseBlock(state, block);
  }
  becomeKeeperOrFree(state, lease.seq, end);
}

/** The request's leading blocks that are computed, short of its last token: one must be computed to draw the next. */
function matchComputed(state: PooledState, request: CacheRequest): BlockId[] {
  const { tree } = state;
  const matched: BlockId[] = [];
  const limit = Math.floor((request.tokenCount - 1) / state.blockTokens);
  let parent = none;
  for (let index = 0; index < limit; index++) {
    const block = findBlock(tree, { request, index, parent });
    if (block === undefined || !isComputed(tree, block)) break;
    matched.push(blockId(block));
    parent = block;
  }
  return matched;
}

function isNextPending(state: PooledState, request: CacheRequest, matched: readonly BlockId[]): boolean {
  const index = matched.length;
  if (index >= Math.floor((request.tokenCount - 1) / state.blockTokens)) return false;
  return findBlock(state.tree, { request, index, parent: matched.at(-1) ?? none }) !== undefined;
}

/** Why `blockCount` blocks and a native id cannot be had even by evicting; undefined when they can. */
function refuse(state: PooledState, blockCount: number): Admission | undefined {
  if (blockCount > state.pool.freeCount + state.cachedCount) return { kind: 'no-blocks' };
  if (state.seqs.freeCount + state.seqs.keeperCount === 0) return { kind: 'no-sequence-id' };
  return undefined;
}

function openLease(
  state: PooledState,
  fields: { seq: CacheSeqId; blocks: BlockId[]; cachedTokenCount: number; insertedCount: number },
): PooledLease {
  const lease: PooledLease = { ...fields, committedCount: fields.cachedTokenCount, filledCount: 0, detached: false };
  state.leases[lease.seq] = lease;
  return lease;
}

function takeBlocks(state: PooledState, lease: PooledLease, count: number): void {
  for (let taken = 0; taken < count; taken++) lease.blocks.push(blockId(state.pool.take()));
}

/** Enters the lease's whole blocks of `request` that are not in the tree yet, until one is there already. */
function enterWhole(state: PooledState, lease: PooledLease, request: CacheRequest): void {
  const wholeCount = Math.floor(request.tokenCount / state.blockTokens);
  if (lease.detached || lease.insertedCount >= wholeCount) return;
  const computedCount = Math.floor(lease.committedCount / state.blockTokens);
  let parent: number = lease.blocks[lease.insertedCount - 1] ?? none;
  for (let index = lease.insertedCount; index < wholeCount; index++) {
    const place = { request, index, parent };
    if (findBlock(state.tree, place) !== undefined) {
      lease.detached = true;
      break;
    }
    const block = blockAt(lease, index);
    enterBlock(state, block, place);
    if (index < computedCount) markComputed(state.tree, block);
    parent = block;
    lease.insertedCount += 1;
  }
  setEnd(state.seqs, lease.seq, parent);
}

function blockAt(lease: PooledLease, index: number): BlockId {
  return must(lease.blocks[index], 'a lease has the blocks it counts');
}

function blocksFor(state: PooledState, tokenCount: number): number {
  return Math.ceil(tokenCount / state.blockTokens);
}
