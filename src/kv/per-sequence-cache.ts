// The per-sequence cache: each native sequence id owns a slab of cells; prefixes are copied from slab to slab.
// Why a second layout: where little is shared, kernels that look at one sequence's cells alone are up to twice as fast,
// and a copy costs far less than computing the prefix again. Any length of prefix can be shared, not whole blocks only.
// Source: measured on this project's kernels (docs/decisions/2026-11-23-two-kv-layouts.md).

import { assert, must } from '../assert.ts';
import { blockId, type CacheSeqId } from '../ids.ts';
import { chooseMove } from './gather-slabs.ts';
import { createContentHolds } from './held-slabs.ts';
import { demotingTokenCount } from './native-sequences.ts';
import { chooseSlab, chooseSlabToRestore, isMostly, longestMatch, type SlabChoice } from './slab-choice.ts';
import {
  blocksFor,
  commonCount,
  copySlab,
  createSlabState,
  cutSlab,
  dropRepeated,
  evictFromSlab,
  isIdle,
  type PerSequenceCacheOptions,
  type Slab,
  type SlabLease,
  type SlabState,
} from './slabs.ts';
import type { Admission, CacheRequest, CacheStats, CopyWorth, GatherLimits, KvCache, Lease, Moved } from './types.ts';

/** An empty per-sequence cache. Throws a RangeError when a size is not a positive integer. */
export function createPerSequenceCache(options: PerSequenceCacheOptions): KvCache {
  const state = createSlabState(options);
  return {
    blockTokens: state.blockTokens,
    blockCount: state.slabs.length * state.blocksPerSlab,
    cachedTokenCount: (request) => cachedTokenCount(state, request),
    admit: (request) => admit(state, request),
    admitToFill: (request, filledCount) => admitToFill(state, request, filledCount),
    admitDetached: (tokenCount) => admitDetached(state, tokenCount),
    fork: (lease, request) => fork(state, slabOf(state, lease), request),
    gather: (limits) => gather(state, limits),
    weighCopies: (worth) => weighCopies(state, worth),
    holds: createContentHolds(state),
    extend: (lease, tokenCount) => reserve(state, slabOf(state, lease), tokenCount),
    cut: (lease, tokenCount) => cut(state, slabOf(state, lease), tokenCount),
    commit: (lease, request) => commit(slabOf(state, lease), request),
    release: (lease, keep) => release(state, slabOf(state, lease), keep),
    clear() {
      for (const slab of state.slabs) if (isIdle(slab)) cutSlab(state, slab, 0);
    },
    takeOps() {
      const taken = state.ops;
      if (taken.length > 0) state.ops = [];
      return taken;
    },
    demotingTokenCount: () => demotingTokenCount(state.ops),
    stats: () => stats(state),
    check: () => check(state),
    believedPositions: () => believedPositions(state),
  };
}

function cachedTokenCount(state: SlabState, request: CacheRequest): number {
  const choice = chooseSlab(state, request);
  if (choice !== undefined) return choice.copy?.count ?? choice.keptCount;
  const count = longestMatch(state, request)?.count ?? 0;
  return count >= state.copyWorth.foundTokens ? count : 0;
}

function admit(state: SlabState, request: CacheRequest): Admission {
  assert(request.tokenCount >= 1, 'a request has at least one token');
  const choice = chooseSlab(state, request);
  const found = choice === undefined ? cachedTokenCount(state, request) : (choice.copy?.count ?? choice.keptCount);
  if (isBeingComputed(state, request, found)) return { kind: 'pending-prefix' };
  if (blocksFor(state, request.tokenCount) > state.blocksPerSlab) return { kind: 'no-blocks' };
  if (choice === undefined) return { kind: 'no-sequence-id' };
  prepareSlab(state, choice);
  const { target } = choice;
  target.namespace = request.namespace;
  target.tokens.set(request.tokens.subarray(found, request.tokenCount), found);
  target.plannedCount = request.tokenCount;
  state.prefixQueryTokenCount += request.tokenCount;
  state.prefixHitTokenCount += found;
  return openLease(state, target, { tokenCount: request.tokenCount, cachedTokenCount: found, isPrivate: false });
}

/** Whether a running sequence is going to compute so much more of the prefix that waiting for it pays. */
function isBeingComputed(state: SlabState, request: CacheRequest, found: number): boolean {
  const computed = longestMatch(state, request)?.count ?? 0;
  const wanted = Math.max(computed + state.blockTokens, found + state.copyWorth.foundTokens);
  return state.slabs.some(
    (slab) => commonCount(slab, request, Math.min(slab.plannedCount, request.tokenCount - 1)) >= wanted,
  );
}

/** Nothing is copied from another slab: llama.cpp would carry that out at the next decode, over what was written. */
function admitToFill(state: SlabState, request: CacheRequest, filledCount: number): Admission {
  const { namespace, tokens, tokenCount } = request;
  assert(tokenCount >= 1, 'a request has at least one token');
  if (isBeingComputed(state, request, filledCount)) return { kind: 'pending-prefix' };
  if (blocksFor(state, tokenCount) > state.blocksPerSlab) return { kind: 'no-blocks' };
  const slab = chooseSlabToRestore(state);
  if (slab === undefined) return { kind: 'no-sequence-id' };
  evictFromSlab(state, slab, 0);
  slab.namespace = namespace;
  slab.tokens.set(tokens.subarray(0, tokenCount));
  slab.plannedCount = tokenCount;
  state.prefixQueryTokenCount += tokenCount;
  return openLease(state, slab, { tokenCount, cachedTokenCount: 0, isPrivate: false });
}

function admitDetached(state: SlabState, tokenCount: number): Admission {
  assert(tokenCount >= 1, 'a request has at least one token');
  if (blocksFor(state, tokenCount) > state.blocksPerSlab) return { kind: 'no-blocks' };
  const slab = chooseSlabToRestore(state);
  if (slab === undefined) return { kind: 'no-sequence-id' };
  evictFromSlab(state, slab, 0);
  return openLease(state, slab, { tokenCount, cachedTokenCount: 0, isPrivate: true });
}

function fork(state: SlabState, origin: Slab, request: CacheRequest): Admission {
  const { tokenCount } = request;
  assert(tokenCount >= 1 && tokenCount <= origin.computedCount, 'only computed tokens are forked');
  const choice = chooseSlab(state, undefined);
  if (choice === undefined) return { kind: 'no-sequence-id' };
  prepareSlab(state, choice);
  copySlab(state, { from: origin, to: choice.target, count: tokenCount });
  const isPrivate = origin.lease?.isPrivate === true;
  return openLease(state, choice.target, { tokenCount, cachedTokenCount: tokenCount, isPrivate });
}

function gather(state: SlabState, limits: GatherLimits): Moved | undefined {
  const move = chooseMove(state, limits);
  if (move === undefined) return undefined;
  const { origin, target, refuge, lostTokenCount } = move;
  const from = must(origin.lease, 'a running slab has a lease');
  prepareSlab(state, { target, keptCount: 0, copy: undefined, refuge });
  copySlab(state, { from: origin, to: target, count: origin.computedCount });
  target.tokens.set(origin.tokens.subarray(0, origin.plannedCount));
  target.plannedCount = origin.plannedCount;
  target.lastUse = origin.lastUse;
  const to: SlabLease = { ...from, seq: target.seq, blocks: [] };
  target.lease = to;
  reserve(state, target, from.blocks.length * state.blockTokens);
  // No release: nobody stopped using anything, so nothing ages.
  origin.lease = undefined;
  cutSlab(state, origin, 0);
  return { from, to, copyCount: refuge === undefined ? 1 : 2, lostTokenCount };
}

function weighCopies(state: SlabState, { foundTokens, unheldTokens }: CopyWorth): void {
  const { copyMinTokens } = state;
  state.copyWorth = {
    foundTokens: Math.max(copyMinTokens, foundTokens),
    unheldTokens: Math.max(copyMinTokens, unheldTokens),
  };
}

/** Leaves the chosen slab holding exactly the prefix that was found. */
function prepareSlab(state: SlabState, { target, keptCount, copy, refuge }: SlabChoice): void {
  if (refuge === undefined) {
    evictFromSlab(state, target, keptCount);
  } else {
    evictFromSlab(state, refuge, 0);
    copySlab(state, { from: target, to: refuge, count: target.computedCount });
    refuge.lastUse = target.lastUse;
    cutSlab(state, target, keptCount);
  }
  if (copy === undefined) return;
  copySlab(state, { from: copy.from, to: target, count: copy.count });
  // The copy continues what the source was mostly about: the source is of no more use.
  if (isIdle(copy.from) && isMostly(copy.from, copy.count)) cutSlab(state, copy.from, 0);
}

function openLease(
  state: SlabState,
  slab: Slab,
  fields: { tokenCount: number; cachedTokenCount: number; isPrivate: boolean },
): Admission {
  const { cachedTokenCount: found, isPrivate } = fields;
  const lease: SlabLease = { seq: slab.seq, blocks: [], cachedTokenCount: found, isPrivate };
  slab.lease = lease;
  state.clock += 1;
  slab.lastUse = state.clock;
  reserve(state, slab, fields.tokenCount);
  return { kind: 'admitted', lease };
}

function reserve(state: SlabState, slab: Slab, tokenCount: number): boolean {
  const { blocks } = must(slab.lease, 'a running slab has a lease');
  const wantedCount = blocksFor(state, tokenCount);
  if (wantedCount > state.blocksPerSlab) return false;
  while (blocks.length < wantedCount) blocks.push(blockId(slab.seq * state.blocksPerSlab + blocks.length));
  return true;
}

function cut(state: SlabState, slab: Slab, tokenCount: number): void {
  assert(tokenCount >= slab.computedCount, 'what is committed is not taken back');
  must(slab.lease, 'a running slab has a lease').blocks.splice(blocksFor(state, tokenCount));
  state.ops.push({ kind: 'truncate', seq: slab.seq, fromPosition: tokenCount });
}

function commit(slab: Slab, { tokens, tokenCount }: CacheRequest): void {
  assert(tokenCount <= slab.tokens.length, 'only reserved positions are computed');
  if (tokenCount <= slab.computedCount) return;
  // One token, nearly always: without a view made for it.
  if (tokenCount === slab.computedCount + 1) slab.tokens[slab.computedCount] = tokens[slab.computedCount] ?? 0;
  else slab.tokens.set(tokens.subarray(slab.computedCount, tokenCount), slab.computedCount);
  slab.computedCount = tokenCount;
  slab.plannedCount = Math.max(slab.plannedCount, tokenCount);
}

function release(state: SlabState, slab: Slab, keep: 'keep' | 'discard'): void {
  const isPrivate = slab.lease?.isPrivate === true;
  slab.lease = undefined;
  state.clock += 1;
  slab.lastUse = state.clock;
  const keptCount = keep === 'keep' && !isPrivate ? slab.computedCount : 0;
  // Always an operation: the kernel may have computed positions that were never committed.
  state.ops.push({ kind: 'truncate', seq: slab.seq, fromPosition: keptCount });
  slab.computedCount = keptCount;
  slab.plannedCount = keptCount;
  if (keptCount > 0) dropRepeated(state, slab);
}

function slabOf(state: SlabState, lease: Lease): Slab {
  const slab = must(state.slabs[lease.seq], 'a native sequence id has a slab');
  assert(slab.lease === lease, 'a lease is used before its release');
  return slab;
}

function stats(state: SlabState): CacheStats {
  const total = state.slabs.length * state.blocksPerSlab;
  let held = 0;
  let cached = 0;
  let seqRunning = 0;
  let seqKeeper = 0;
  for (const { lease, plannedCount } of state.slabs) {
    if (lease !== undefined) {
      held += lease.blocks.length;
      seqRunning += 1;
    } else if (plannedCount > 0) {
      cached += blocksFor(state, plannedCount);
      seqKeeper += 1;
    }
  }
  return {
    blocks: { total, free: total - held - cached, held, cached },
    evictedBlockCount: state.evictedBlockCount,
    prefixQueryTokenCount: state.prefixQueryTokenCount,
    prefixHitTokenCount: state.prefixHitTokenCount,
    seqFree: state.slabs.length - seqRunning - seqKeeper,
    seqRunning,
    seqKeeper,
  };
}

function check(state: SlabState): readonly string[] {
  const faults: string[] = [];
  for (const { seq, lease, isHeld, computedCount, plannedCount } of state.slabs) {
    const reserved = lease === undefined ? state.blocksPerSlab : lease.blocks.length;
    if (reserved > state.blocksPerSlab)
      faults.push(`slab ${seq} has ${reserved} blocks reserved of ${state.blocksPerSlab}`);
    if (computedCount > reserved * state.blockTokens) faults.push(`slab ${seq} computed beyond its blocks`);
    if (plannedCount < computedCount && lease?.isPrivate !== true)
      faults.push(`slab ${seq} knows less than it computed`);
    if (lease !== undefined && isHeld) faults.push(`slab ${seq} is held while it runs`);
    if (lease === undefined && !isHeld && plannedCount !== computedCount)
      faults.push(`idle slab ${seq} plans to compute`);
    for (const [index, block] of lease?.blocks.entries() ?? []) {
      if (block !== seq * state.blocksPerSlab + index) faults.push(`slab ${seq} lists block ${block} of another`);
    }
  }
  return faults;
}

function believedPositions(state: SlabState): ReadonlyMap<CacheSeqId, number> {
  const believed = new Map<CacheSeqId, number>();
  for (const { seq, lease, isHeld, computedCount, plannedCount } of state.slabs) {
    const count = isHeld ? plannedCount : computedCount;
    if (lease !== undefined || count > 0) believed.set(seq, count);
  }
  return believed;
}
