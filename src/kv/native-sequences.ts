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
  readonly seqCount: number;
  count(role: SeqRole): number;
  role(seq: CacheSeqId): SeqRole;
  /** Takes a free id for a running sequence; undefined when there is none. */
  takeFree(): CacheSeqId | undefined;
  /** A keeper becomes a running sequence's id, with its contents. */
  adopt(keeper: CacheSeqId): void;
  /** A running sequence's id keeps a prefix from here on. */
  keep(running: CacheSeqId): void;
  /** Makes an id free. It must end nowhere; the caller says what becomes of its contents. */
  free(seq: CacheSeqId): void;
  /** The block where an id's path ends, or none. */
  endOf(seq: CacheSeqId): number;
  /** Moves an id's end to another block or to none. O(1). */
  setEnd(seq: CacheSeqId, block: number): void;
  /** The id that came last to end at a block, or undefined. */
  anyEndAt(block: number): CacheSeqId | undefined;
  copy(from: CacheSeqId, to: CacheSeqId, tokenCount: number): void;
  truncate(seq: CacheSeqId, fromPosition: number): void;
  takeOps(): readonly CacheOp[];
}

/** All ids free, nothing to perform. `endCount` is the number of blocks an id may end at (0 without a tree). */
export function createNativeSequences(seqCount: number, endCount: number): NativeSequences {
  positiveInteger('native sequence id count', seqCount);
  const ids = Array.from({ length: seqCount }, (_, index) => cacheSeqId(index));
  const roles: SeqRole[] = ids.map(() => 'free');
  /** Free ids; the last one goes first, so that low ids are used most. */
  const freeIds = ids.toReversed();
  let keeperCount = 0;
  // Ids that end at the same block form a list. Shapes (endCount,) and (seqCount,).
  const firstEnds = new Int32Array(endCount).fill(none);
  const ends = new Int32Array(seqCount).fill(none);
  const nextEnds = new Int32Array(seqCount).fill(none);
  const previousEnds = new Int32Array(seqCount).fill(none);
  let ops: CacheOp[] = [];

  const roleOf = (seq: CacheSeqId): SeqRole => must(roles[seq], 'a native sequence id has a role');

  function leaveEnd(seq: CacheSeqId): void {
    const block = at(ends, seq);
    if (block === none) return;
    const next = at(nextEnds, seq);
    const previous = at(previousEnds, seq);
    if (next !== none) previousEnds[next] = previous;
    if (previous !== none) nextEnds[previous] = next;
    else firstEnds[block] = next;
  }

  return {
    seqCount,
    count(role) {
      if (role === 'free') return freeIds.length;
      return role === 'keeper' ? keeperCount : seqCount - freeIds.length - keeperCount;
    },
    role: roleOf,
    takeFree() {
      const seq = freeIds.pop();
      if (seq !== undefined) roles[seq] = 'running';
      return seq;
    },
    adopt(keeper) {
      assert(roleOf(keeper) === 'keeper', 'only a keeper is adopted');
      roles[keeper] = 'running';
      keeperCount -= 1;
    },
    keep(running) {
      assert(roleOf(running) === 'running', 'only a running id becomes a keeper');
      roles[running] = 'keeper';
      keeperCount += 1;
    },
    free(seq) {
      assert(roleOf(seq) !== 'free', 'a free id is not freed again');
      assert(at(ends, seq) === none, 'an id that is freed ends nowhere');
      if (roleOf(seq) === 'keeper') keeperCount -= 1;
      roles[seq] = 'free';
      freeIds.push(seq);
    },
    endOf: (seq) => at(ends, seq),
    setEnd(seq, block) {
      leaveEnd(seq);
      ends[seq] = block;
      previousEnds[seq] = none;
      const next = block === none ? none : at(firstEnds, block);
      nextEnds[seq] = next;
      if (next !== none) previousEnds[next] = seq;
      if (block !== none) firstEnds[block] = seq;
    },
    anyEndAt(block) {
      const seq = at(firstEnds, block);
      return seq === none ? undefined : ids[seq];
    },
    copy: (from, to, tokenCount) => void ops.push({ kind: 'copy', from, to, tokenCount }),
    truncate: (seq, fromPosition) => void ops.push({ kind: 'truncate', seq, fromPosition }),
    takeOps() {
      const taken = ops;
      if (taken.length > 0) ops = [];
      return taken;
    },
  };
}
