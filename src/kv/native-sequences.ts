// The native cache's sequence ids: which are free, running or keepers, where in the prefix tree each one ends,
// and the operations that the native cache has yet to perform.
// Why ends: a prefix stays in the native cache as long as some sequence id covers it, so every leaf of the tree must be
// the end of at least one id; sharing a prefix means copying from any id that ends at or below it.

import { assert, must } from '../assert.ts';
import { type CacheSeqId, cacheSeqId } from '../ids.ts';
import { positiveInteger } from './sizes.ts';
import { at, none } from './typed-array.ts';
import type { CacheOp } from './types.ts';

export type SeqRole = 'free' | 'running' | 'keeper';

export interface NativeSequences {
  /** Shape (cacheSeqCount,), as `roles`, `ends`, `nextEnds` and `previousEnds`. */
  readonly ids: readonly CacheSeqId[];
  readonly roles: SeqRole[];
  /** The block where each id's path ends, or none. Ids that end at the same block form a list. */
  readonly ends: Int32Array;
  readonly nextEnds: Int32Array;
  readonly previousEnds: Int32Array;
  /** The id that came last to end at each block, or none. Shape (blockCount,). */
  readonly firstEnds: Int32Array;
  freeCount: number;
  keeperCount: number;
  ops: CacheOp[];
}

/** All ids free, nothing to perform. `blockCount` is 0 where there is no tree to end in. */
export function createNativeSequences(cacheSeqCount: number, blockCount: number): NativeSequences {
  positiveInteger('native sequence id count', cacheSeqCount);
  const ids = Array.from({ length: cacheSeqCount }, (_, index) => cacheSeqId(index));
  return {
    ids,
    roles: ids.map(() => 'free'),
    ends: new Int32Array(cacheSeqCount).fill(none),
    nextEnds: new Int32Array(cacheSeqCount).fill(none),
    previousEnds: new Int32Array(cacheSeqCount).fill(none),
    firstEnds: new Int32Array(blockCount).fill(none),
    freeCount: cacheSeqCount,
    keeperCount: 0,
    ops: [],
  };
}

export function roleOf(seqs: NativeSequences, seq: CacheSeqId): SeqRole {
  return must(seqs.roles[seq], 'a native sequence id has a role');
}

export function runningCount(seqs: NativeSequences): number {
  return seqs.ids.length - seqs.freeCount - seqs.keeperCount;
}

/**
 * Takes the lowest free id for a running sequence; undefined when there is none. O(ids). The lowest, because kernels of
 * recurrent and hybrid models compute consecutive ids together, others apart.
 */
export function takeFreeId(seqs: NativeSequences): CacheSeqId | undefined {
  const seq = seqs.ids[seqs.roles.indexOf('free')];
  return seq === undefined ? undefined : takeId(seqs, seq);
}

/** Takes a free id for a running sequence. */
export function takeId(seqs: NativeSequences, seq: CacheSeqId): CacheSeqId {
  assert(roleOf(seqs, seq) === 'free', 'a free id is taken');
  seqs.roles[seq] = 'running';
  seqs.freeCount -= 1;
  return seq;
}

/** A keeper becomes a running sequence's id, with its contents. */
export function adoptKeeper(seqs: NativeSequences, keeper: CacheSeqId): void {
  assert(roleOf(seqs, keeper) === 'keeper', 'only a keeper is adopted');
  seqs.roles[keeper] = 'running';
  seqs.keeperCount -= 1;
}

/** A running sequence's id keeps the prefix that ends at `end` from here on. */
export function becomeKeeper(seqs: NativeSequences, running: CacheSeqId, end: number): void {
  assert(roleOf(seqs, running) === 'running', 'only a running id becomes a keeper');
  seqs.roles[running] = 'keeper';
  seqs.keeperCount += 1;
  setEnd(seqs, running, end);
}

/** Makes an id free. The caller says what becomes of its contents. */
export function freeId(seqs: NativeSequences, seq: CacheSeqId): void {
  const role = roleOf(seqs, seq);
  assert(role !== 'free', 'a free id is not freed again');
  if (role === 'keeper') seqs.keeperCount -= 1;
  setEnd(seqs, seq, none);
  seqs.roles[seq] = 'free';
  seqs.freeCount += 1;
}

/** The block where an id's path ends, or none. */
export function endOf(seqs: NativeSequences, seq: CacheSeqId): number {
  return at(seqs.ends, seq);
}

/** An id that ends at a block, the last one that came; undefined when none does. */
export function anyEndAt(seqs: NativeSequences, block: number): CacheSeqId | undefined {
  const seq = at(seqs.firstEnds, block);
  return seq === none ? undefined : seqs.ids[seq];
}

/** Moves an id's end to another block or to none. O(1). */
export function setEnd(seqs: NativeSequences, seq: CacheSeqId, block: number): void {
  const { ends, nextEnds, previousEnds, firstEnds } = seqs;
  const was = at(ends, seq);
  const after = at(nextEnds, seq);
  const before = at(previousEnds, seq);
  if (after !== none) previousEnds[after] = before;
  if (before !== none) nextEnds[before] = after;
  else if (was !== none) firstEnds[was] = after;

  const next = block === none ? none : at(firstEnds, block);
  ends[seq] = block;
  previousEnds[seq] = none;
  nextEnds[seq] = next;
  if (next !== none) previousEnds[next] = seq;
  if (block !== none) firstEnds[block] = seq;
}

/** The operations since the last call, in order. */
export function takeOps(seqs: { ops: CacheOp[] }): readonly CacheOp[] {
  const taken = seqs.ops;
  if (taken.length > 0) seqs.ops = [];
  return taken;
}

/** Tokens that operations offer to host memory. */
export function demotingTokenCount(ops: readonly CacheOp[]): number {
  return ops.reduce((sum, op) => sum + (op.kind === 'demote' ? op.tokenCount : 0), 0);
}
