// The slabs of the per-sequence cache: what each native sequence id holds, and which tokens were computed into it.
// Why tokens are kept: a slab's content is found again by comparing it with a request's tokens, running or idle alike.

import { assert } from '../assert.ts';
import { type CacheSeqId, cacheSeqId } from '../ids.ts';
import { positiveInteger } from './sizes.ts';
import type { CacheOp, CacheRequest, CopyWorth, Lease } from './types.ts';

export interface PerSequenceCacheOptions {
  /** Native sequence ids, each with a slab of its own. */
  readonly cacheSeqCount: number;
  /** Cells of one slab; what does not fill a whole block is not used. */
  readonly slabTokens: number;
  readonly blockTokens: number;
  /** Fewer tokens are never copied from slab to slab, whatever `weighCopies` tells. 32 unless told otherwise. */
  readonly copyMinTokens?: number;
  /** What makes room is offered to host memory from this many tokens on; undefined offers nothing. */
  readonly demoteMinTokens?: number | undefined;
}

/**
 * One native sequence id and its cells. By position:
 *
 *   [0, computedCount)              in the native cache
 *   [computedCount, plannedCount)   known tokens that the running sequence is going to compute
 */
export interface Slab {
  readonly seq: CacheSeqId;
  /** Shape (slabTokens,): the first `plannedCount` are known. */
  readonly tokens: Int32Array;
  computedCount: number;
  plannedCount: number;
  namespace: string;
  /** Logical clock of the last admission or release. */
  lastUse: number;
  /** The running sequence's lease; an idle slab has none. */
  lease: SlabLease | undefined;
  /** Copied to host memory or from there while steps run; from there, its content is what is planned (held-slabs.ts). */
  isHeld: boolean;
}

export interface SlabLease extends Lease {
  readonly blocks: Lease['blocks'][number][];
  /** Restored from host memory: never shared, emptied at release. */
  readonly isPrivate: boolean;
}

export interface SlabState {
  readonly blockTokens: number;
  readonly blocksPerSlab: number;
  readonly copyMinTokens: number;
  /** Each at least `copyMinTokens`. */
  copyWorth: CopyWorth;
  readonly demoteMinTokens: number;
  /** Shape (cacheSeqCount,). */
  readonly slabs: readonly Slab[];
  ops: CacheOp[];
  clock: number;
  evictedBlockCount: number;
  prefixQueryTokenCount: number;
  prefixHitTokenCount: number;
}

/** Every slab empty. Throws a RangeError when a size is not a positive integer or a slab is shorter than a block. */
export function createSlabState(options: PerSequenceCacheOptions): SlabState {
  const cacheSeqCount = positiveInteger('native sequence id count', options.cacheSeqCount);
  const blockTokens = positiveInteger('block tokens', options.blockTokens);
  const slabTokens = positiveInteger('slab tokens', options.slabTokens);
  if (slabTokens < blockTokens) throw new RangeError(`slab tokens must be >= ${blockTokens}. Given: ${slabTokens}`);
  const copyMinTokens = positiveInteger('copy min tokens', options.copyMinTokens ?? 32);
  const slabs = Array.from({ length: cacheSeqCount }, (_, index) => createSlab(cacheSeqId(index), slabTokens));
  return {
    blockTokens,
    blocksPerSlab: Math.floor(slabTokens / blockTokens),
    copyMinTokens,
    copyWorth: { foundTokens: copyMinTokens, unheldTokens: copyMinTokens },
    demoteMinTokens: options.demoteMinTokens ?? Number.POSITIVE_INFINITY,
    slabs,
    ops: [],
    clock: 0,
    evictedBlockCount: 0,
    prefixQueryTokenCount: 0,
    prefixHitTokenCount: 0,
  };
}

function createSlab(seq: CacheSeqId, slabTokens: number): Slab {
  const tokens = new Int32Array(slabTokens);
  return { seq, tokens, computedCount: 0, plannedCount: 0, namespace: '', lastUse: 0, lease: undefined, isHeld: false };
}

/** Whether nobody needs what the slab has as it is: it may make room. */
export function isIdle({ lease, isHeld }: Slab): boolean {
  return lease === undefined && !isHeld;
}

/** Leading tokens that `request` and the slab's first `count` tokens have in common; 0 when it may not be shared. */
export function commonCount(slab: Slab, request: CacheRequest, count: number): number {
  if (slab.namespace !== request.namespace || slab.lease?.isPrivate === true) return 0;
  const limit = Math.min(count, request.tokenCount);
  const { tokens } = slab;
  let common = 0;
  while (common < limit && tokens[common] === request.tokens[common]) common += 1;
  return common;
}

/** Drops an idle slab's positions >= `keptCount`. */
export function cutSlab(state: SlabState, slab: Slab, keptCount: number): void {
  assert(keptCount <= slab.computedCount, 'what is kept was computed');
  if (slab.computedCount > keptCount) state.ops.push({ kind: 'truncate', seq: slab.seq, fromPosition: keptCount });
  slab.computedCount = keptCount;
  slab.plannedCount = keptCount;
}

/** As `cutSlab`, to make room: counts as eviction, and what is mostly lost is offered to host memory before. */
export function evictFromSlab(state: SlabState, slab: Slab, keptCount: number): void {
  const { seq, namespace, computedCount } = slab;
  if (isOffered(state, slab, keptCount)) {
    const tokens = slab.tokens.slice(0, computedCount);
    state.ops.push({ kind: 'demote', seq, namespace, tokens, tokenCount: computedCount });
  }
  state.evictedBlockCount += blocksFor(state, slab.computedCount) - blocksFor(state, keptCount);
  cutSlab(state, slab, keptCount);
}

/** Whether the slab's content is offered to host memory where only `keptCount` positions of it stay. */
export function isOffered({ demoteMinTokens }: SlabState, { computedCount }: Slab, keptCount: number): boolean {
  return computedCount >= demoteMinTokens && 2 * keptCount < computedCount;
}

/** Of two slabs where one's content begins the other's, the longer one is enough. */
export function dropRepeated(state: SlabState, slab: Slab): void {
  const content = { namespace: slab.namespace, tokens: slab.tokens, tokenCount: slab.computedCount };
  for (const other of state.slabs) {
    if (other === slab || other.computedCount === 0 || other.isHeld) continue;
    const common = commonCount(other, content, other.computedCount);
    if (common === slab.computedCount) {
      cutSlab(state, slab, 0);
      return;
    }
    if (common === other.computedCount && other.lease === undefined) cutSlab(state, other, 0);
  }
}

/** Copies the first `count` computed positions of `from` into the empty slab `to`. */
export function copySlab(state: SlabState, { from, to, count }: { from: Slab; to: Slab; count: number }): void {
  assert(to.computedCount === 0 && count <= from.computedCount, 'computed positions are copied into an empty slab');
  state.ops.push({ kind: 'copy', from: from.seq, to: to.seq, tokenCount: count });
  to.tokens.set(from.tokens.subarray(0, count));
  to.namespace = from.namespace;
  to.computedCount = count;
  to.plannedCount = count;
}

/** Blocks that `tokenCount` tokens take. */
export function blocksFor(state: SlabState, tokenCount: number): number {
  return Math.ceil(tokenCount / state.blockTokens);
}
