// What the pooled cache says about itself: counts, the positions it believes each native id holds, and its laws.
// Why laws as words: the same check runs in property tests after every command and in production whenever the engine idles.

import { type CacheSeqId, cacheSeqId } from '../ids.ts';
import { leastRecentlyUsed } from './eviction.ts';
import { heapFault, isInHeap, smallest } from './heap.ts';
import { anyEndAt, endOf, roleOf, runningCount } from './native-sequences.ts';
import { keeperToOffer } from './pooled-evict.ts';
import { isCached, type PooledState, rowsSinceUse } from './pooled-state.ts';
import { depthOf, isComputed, isInTree, isLeaf, treeFault } from './prefix-tree.ts';
import { at, none } from './typed-array.ts';
import type { CacheStats } from './types.ts';

/** Counts now. O(1). */
export function pooledStats(state: PooledState): CacheStats {
  const { pool, seqs, cachedCount } = state;
  const total = pool.blockCount;
  const free = pool.freeCount;
  return {
    blocks: { total, free, held: total - free - cachedCount, cached: cachedCount },
    evictedBlockCount: state.evictedBlockCount,
    prefixQueryTokenCount: state.prefixQueryTokenCount,
    prefixHitTokenCount: state.prefixHitTokenCount,
    seqFree: seqs.freeCount,
    seqRunning: runningCount(seqs),
    seqKeeper: seqs.keeperCount,
  };
}

/** Positions each native id in use holds once the operations so far are performed. */
export function believedPositions(state: PooledState): ReadonlyMap<CacheSeqId, number> {
  const believed = new Map<CacheSeqId, number>();
  for (let index = 0; index < state.seqs.ids.length; index++) {
    const seq = cacheSeqId(index);
    if (roleOf(state.seqs, seq) === 'free') continue;
    const end = endOf(state.seqs, seq);
    const kept = end === none ? 0 : depthOf(state.tree, end) * state.blockTokens;
    believed.set(seq, state.leases[seq]?.committedCount ?? kept);
  }
  return believed;
}

/** Every law that does not hold, in words. O(blocks). */
export function checkPooled(state: PooledState): readonly string[] {
  const ofParts = [treeFault(state.tree), heapFault(state.evictable)].filter((fault) => fault !== undefined);
  return [...ofParts, ...checkReferences(state), ...checkLeaves(state), ...checkAge(state), ...checkSequences(state)];
}

/** A block's references are the leases that list it, and the tree if it is in there. */
function checkReferences(state: PooledState): string[] {
  const { pool, tree } = state;
  const faults: string[] = [];
  const listed = new Int32Array(pool.blockCount);
  for (const lease of state.leases) {
    for (const block of lease?.blocks ?? []) listed[block] = at(listed, block) + 1;
  }
  let freeCount = 0;
  let cachedCount = 0;
  for (let block = 0; block < pool.blockCount; block++) {
    const expected = at(listed, block) + (isInTree(tree, block) ? 1 : 0);
    const actual = pool.refCount(block);
    if (actual !== expected) faults.push(`block ${block} has ${actual} references but ${expected} are known`);
    if (actual === 0) freeCount += 1;
    if (isCached(state, block)) cachedCount += 1;
  }
  if (freeCount !== pool.freeCount) faults.push(`${pool.freeCount} blocks are counted free but ${freeCount} are`);
  if (cachedCount !== state.cachedCount) {
    faults.push(`${state.cachedCount} blocks are counted cached but ${cachedCount} are`);
  }
  return faults;
}

/** Evictable is exactly what is an unheld leaf, and every leaf is covered by a native id. */
function checkLeaves(state: PooledState): string[] {
  const { pool, tree, seqs } = state;
  const faults: string[] = [];
  for (let block = 0; block < pool.blockCount; block++) {
    const mayBeEvicted = isLeaf(tree, block) && isCached(state, block);
    if (isInHeap(state.evictable, block) !== mayBeEvicted) {
      faults.push(`block ${block} ${mayBeEvicted ? 'may' : 'may not'} be evicted but the heap says otherwise`);
    }
    if (isLeaf(tree, block) && anyEndAt(seqs, block) === undefined)
      faults.push(`leaf ${block} is covered by no native id`);
    if (isCached(state, block) && !isComputed(tree, block)) faults.push(`block ${block} is cached but not computed`);
  }
  return faults;
}

/** Nothing is kept for longer than it is worth, but for those whose turn to go to host memory has not come. */
function checkAge(state: PooledState): string[] {
  const oldest = smallest(state.evictable);
  if (oldest === undefined || state.policy !== leastRecentlyUsed) return [];
  const rowCount = rowsSinceUse(state, oldest);
  if (rowCount <= state.keptRowsMax || keeperToOffer(state, oldest) !== undefined) return [];
  return [`block ${oldest} is kept for ${rowCount} rows since its last use, more than ${state.keptRowsMax}`];
}

/** Keepers cover an unheld leaf each, alone; a running id ends at the last block its lease has in the tree. */
function checkSequences(state: PooledState): string[] {
  const { tree, seqs } = state;
  const faults: string[] = [];
  for (let index = 0; index < seqs.ids.length; index++) {
    const seq = cacheSeqId(index);
    const role = roleOf(seqs, seq);
    const end = endOf(seqs, seq);
    const lease = state.leases[seq];
    if ((lease !== undefined) !== (role === 'running'))
      faults.push(`native id ${seq} is ${role}, its lease says otherwise`);
    if (role === 'free' && end !== none) faults.push(`native id ${seq} is free but ends at block ${end}`);
    if (role === 'keeper' && (end === none || !isInHeap(state.evictable, end) || anyEndAt(seqs, end) !== seq)) {
      faults.push(`keeper ${seq} covers nothing that only it covers`);
    }
    if (lease === undefined) continue;
    if (end !== (lease.blocks[lease.insertedCount - 1] ?? none)) faults.push(`native id ${seq} ends beside its lease`);
    if (lease.committedCount > lease.blocks.length * state.blockTokens)
      faults.push(`lease ${seq} computed beyond its blocks`);
    for (const [blockIndex, block] of lease.blocks.entries()) {
      const inTree = blockIndex < lease.insertedCount;
      if (inTree !== isInTree(tree, block))
        faults.push(`block ${block} of lease ${seq} is ${inTree ? 'not ' : ''}in the tree`);
      if (inTree && depthOf(tree, block) !== blockIndex + 1)
        faults.push(`block ${block} of lease ${seq} has the wrong depth`);
    }
  }
  return faults;
}
