// The plain cache: block accounting without sharing, for models whose native cache keeps no complete history.
// Why an implementation of its own: sliding-window, recurrent and hybrid caches cannot be cut at a position, so every
// sequence starts from an empty native id and leaves an empty one; nothing of the pooled cache's tree applies.

import { assert, must } from '../assert.ts';
import { type BlockId, blockId, type CacheSeqId, cacheSeqId } from '../ids.ts';
import { type BlockPool, createBlockPool } from './block-pool.ts';
import { nextMove } from './gather-ids.ts';
import {
  createNativeSequences,
  freeId,
  type NativeSequences,
  roleOf,
  runningCount,
  takeFreeId,
  takeId,
  takeOps,
} from './native-sequences.ts';
import { positiveInteger } from './sizes.ts';
import { at } from './typed-array.ts';
import type { Admission, CacheStats, GatherLimits, KvCache, Lease, Moved } from './types.ts';

export interface PlainCacheOptions {
  readonly blockCount: number;
  readonly blockTokens: number;
  /** Usable native sequence ids. */
  readonly cacheSeqCount: number;
}

interface PlainLease extends Lease {
  readonly blocks: BlockId[];
  committedCount: number;
}

interface PlainState {
  readonly blockTokens: number;
  readonly pool: BlockPool;
  readonly seqs: NativeSequences;
  /** Lease of each running native sequence id. Shape (cacheSeqCount,). */
  readonly leases: (PlainLease | undefined)[];
  prefixQueryTokenCount: number;
}

/** An empty plain cache. Throws a RangeError when a size is not a positive integer. */
export function createPlainCache(options: PlainCacheOptions): KvCache {
  const state: PlainState = {
    blockTokens: positiveInteger('block tokens', options.blockTokens),
    pool: createBlockPool(options.blockCount),
    seqs: createNativeSequences(options.cacheSeqCount, 0),
    leases: Array.from({ length: options.cacheSeqCount }, () => undefined),
    prefixQueryTokenCount: 0,
  };
  return {
    blockTokens: options.blockTokens,
    blockCount: options.blockCount,
    cachedTokenCount: () => 0,
    admit(request) {
      const admission = admit(state, request.tokenCount);
      if (admission.kind === 'admitted') state.prefixQueryTokenCount += request.tokenCount;
      return admission;
    },
    // What cannot be cut is never offered to host memory.
    admitToFill: (request) => admit(state, request.tokenCount),
    admitDetached: (tokenCount) => admit(state, tokenCount),
    // The origin's whole state cannot be copied up to a position: the fork waits for an admission of its own.
    fork: () => ({ kind: 'no-sequence-id' }),
    gather: (limits) => gather(state, limits),
    weighCopies: () => {},
    extend: (lease, tokenCount) => reserve(state, ownLease(state, lease), tokenCount),
    cut: () => assert(false, 'this cache cannot be cut: nothing is computed ahead in it'),
    commit(lease, { tokenCount }) {
      const own = ownLease(state, lease);
      assert(tokenCount <= own.blocks.length * state.blockTokens, 'only reserved positions are computed');
      own.committedCount = Math.max(own.committedCount, tokenCount);
    },
    release: (lease) => release(state, ownLease(state, lease)),
    clear: () => {},
    takeOps: () => takeOps(state.seqs),
    demotingTokenCount: () => 0,
    stats: () => stats(state),
    check: () => check(state),
    believedPositions: () => believedPositions(state),
  };
}

function admit(state: PlainState, tokenCount: number): Admission {
  assert(tokenCount >= 1, 'a request has at least one token');
  if (Math.ceil(tokenCount / state.blockTokens) > state.pool.freeCount) return { kind: 'no-blocks' };
  const seq = takeFreeId(state.seqs);
  if (seq === undefined) return { kind: 'no-sequence-id' };
  const lease: PlainLease = { seq, blocks: [], cachedTokenCount: 0, committedCount: 0 };
  state.leases[seq] = lease;
  reserve(state, lease, tokenCount);
  return { kind: 'admitted', lease };
}

/** Whole sequences can be moved; nothing is kept that would make room. */
function gather(state: PlainState, { movesMax }: GatherLimits): Moved | undefined {
  const { leases, seqs } = state;
  const move = nextMove(
    leases.map((lease) => lease !== undefined),
    movesMax,
  );
  if (move === undefined) return undefined;
  const from = must(leases[move.origin], 'who moves has a lease');
  const target = move.holes.find((id) => leases[id - 1] !== undefined || leases[id + 1] !== undefined);
  // Nothing can be moved of a sequence that computed nothing yet.
  if (target === undefined || from.committedCount === 0) return undefined;
  const seq = takeId(seqs, cacheSeqId(target));
  const to: PlainLease = { ...from, seq };
  leases[from.seq] = undefined;
  leases[seq] = to;
  freeId(seqs, from.seq);
  seqs.ops.push({ kind: 'move', from: from.seq, to: seq });
  return { from, to, copyCount: 1, lostTokenCount: 0 };
}

function reserve(state: PlainState, lease: PlainLease, tokenCount: number): boolean {
  const wantedCount = Math.ceil(tokenCount / state.blockTokens) - lease.blocks.length;
  if (wantedCount > state.pool.freeCount) return false;
  for (let taken = 0; taken < wantedCount; taken++) lease.blocks.push(blockId(state.pool.take()));
  return true;
}

function release(state: PlainState, lease: PlainLease): void {
  for (const block of lease.blocks) state.pool.release(block);
  state.leases[lease.seq] = undefined;
  freeId(state.seqs, lease.seq);
  state.seqs.ops.push({ kind: 'truncate', seq: lease.seq, fromPosition: 0 });
}

function ownLease(state: PlainState, lease: Lease): PlainLease {
  const own = must(state.leases[lease.seq], 'a lease is used before its release');
  assert(own === lease, 'a lease is used before its release');
  return own;
}

function stats(state: PlainState): CacheStats {
  const { pool, seqs } = state;
  const total = pool.blockCount;
  return {
    blocks: { total, free: pool.freeCount, held: total - pool.freeCount, cached: 0 },
    evictedBlockCount: 0,
    prefixQueryTokenCount: state.prefixQueryTokenCount,
    prefixHitTokenCount: 0,
    seqFree: seqs.freeCount,
    seqRunning: runningCount(seqs),
    seqKeeper: 0,
  };
}

function check({ pool, seqs, leases, blockTokens }: PlainState): readonly string[] {
  const faults: string[] = [];
  const listed = new Int32Array(pool.blockCount);
  for (const [index, lease] of leases.entries()) {
    const role = roleOf(seqs, cacheSeqId(index));
    if (role !== (lease === undefined ? 'free' : 'running'))
      faults.push(`native id ${index} is ${role}, its lease says otherwise`);
    for (const block of lease?.blocks ?? []) listed[block] = at(listed, block) + 1;
    if (lease !== undefined && lease.committedCount > lease.blocks.length * blockTokens) {
      faults.push(`lease ${index} computed beyond its blocks`);
    }
  }
  let freeCount = 0;
  for (let block = 0; block < pool.blockCount; block++) {
    const count = pool.refCount(block);
    if (count === 0) freeCount += 1;
    if (count !== at(listed, block))
      faults.push(`block ${block} has ${count} references but ${at(listed, block)} are known`);
    if (count > 1) faults.push(`block ${block} is shared`);
  }
  if (freeCount !== pool.freeCount) faults.push(`${pool.freeCount} blocks are counted free but ${freeCount} are`);
  return faults;
}

function believedPositions(state: PlainState): ReadonlyMap<CacheSeqId, number> {
  const believed = new Map<CacheSeqId, number>();
  for (const lease of state.leases) {
    if (lease !== undefined) believed.set(lease.seq, lease.committedCount);
  }
  return believed;
}
