// What the pooled cache says about itself: counts, the positions it believes each native id holds, and its laws.
// Why laws as words: the same check runs in property tests after every command and in production whenever the engine idles.

import { type CacheSeqId, cacheSeqId } from '../ids.ts';
import { isCached, type PooledState } from './pooled-state.ts';
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
    seqFree: seqs.count('free'),
    seqRunning: seqs.count('running'),
    seqKeeper: seqs.count('keeper'),
  };
}

/** Positions each native id in use holds once the operations so far are performed. */
export function believedPositions(state: PooledState): ReadonlyMap<CacheSeqId, number> {
  const believed = new Map<CacheSeqId, number>();
  for (let index = 0; index < state.seqs.seqCount; index++) {
    const seq = cacheSeqId(index);
    if (state.seqs.role(seq) === 'free') continue;
    const end = state.seqs.endOf(seq);
    const kept = end === none ? 0 : state.tree.depth(end) * state.blockTokens;
    believed.set(seq, state.leases[seq]?.committedCount ?? kept);
  }
  return believed;
}

/** Every law that does not hold, in words. O(blocks). */
export function checkPooled(state: PooledState): readonly string[] {
  const faults: string[] = [];
  const treeFault = state.tree.fault();
  if (treeFault !== undefined) faults.push(treeFault);
  const heapFault = state.evictable.fault();
  if (heapFault !== undefined) faults.push(heapFault);
  faults.push(...checkReferences(state), ...checkLeaves(state), ...checkSequences(state));
  return faults;
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
    const expected = at(listed, block) + (tree.has(block) ? 1 : 0);
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
    const isLeaf = tree.has(block) && tree.firstChild(block) === none;
    const mayBeEvicted = isLeaf && isCached(state, block);
    if (state.evictable.has(block) !== mayBeEvicted) {
      faults.push(`block ${block} ${mayBeEvicted ? 'may' : 'may not'} be evicted but the heap says otherwise`);
    }
    if (isLeaf && seqs.anyEndAt(block) === undefined) faults.push(`leaf ${block} is covered by no native id`);
    if (isCached(state, block) && !tree.isComputed(block)) faults.push(`block ${block} is cached but not computed`);
  }
  return faults;
}

/** Keepers cover an unheld leaf each, alone; a running id ends at the last block its lease has in the tree. */
function checkSequences(state: PooledState): string[] {
  const { tree, seqs } = state;
  const faults: string[] = [];
  for (let index = 0; index < seqs.seqCount; index++) {
    const seq = cacheSeqId(index);
    const role = seqs.role(seq);
    const end = seqs.endOf(seq);
    const lease = state.leases[seq];
    if ((lease !== undefined) !== (role === 'running'))
      faults.push(`native id ${seq} is ${role}, its lease says otherwise`);
    if (role === 'free' && end !== none) faults.push(`native id ${seq} is free but ends at block ${end}`);
    if (role === 'keeper' && (end === none || !state.evictable.has(end) || seqs.anyEndAt(end) !== seq)) {
      faults.push(`keeper ${seq} covers nothing that only it covers`);
    }
    if (lease === undefined) continue;
    if (end !== (lease.blocks[lease.insertedCount - 1] ?? none)) faults.push(`native id ${seq} ends beside its lease`);
    if (lease.committedCount > lease.blocks.length * state.blockTokens)
      faults.push(`lease ${seq} computed beyond its blocks`);
    for (const [blockIndex, block] of lease.blocks.entries()) {
      const inTree = blockIndex < lease.insertedCount;
      if (inTree !== tree.has(block))
        faults.push(`block ${block} of lease ${seq} is ${inTree ? 'not ' : ''}in the tree`);
      if (inTree && tree.depth(block) !== blockIndex + 1)
        faults.push(`block ${block} of lease ${seq} has the wrong depth`);
    }
  }
  return faults;
}
