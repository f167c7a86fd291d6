// Which native sequence ids the pooled cache's prefixes lie under: taken over from keepers, copied to, left behind as keepers.
// Why apart from blocks and leases: a prefix may be held by many and must be under one id at least, or its cells are gone.

import { assert, must } from '../assert.ts';
import type { CacheSeqId } from '../ids.ts';
import { adoptKeeper, anyEndAt, becomeKeeper, freeId, roleOf, setEnd, takeFreeId } from './native-sequences.ts';
import { freeLeastKeeper, makeRoom } from './pooled-evict.ts';
import type { PooledState } from './pooled-state.ts';
import { depthOf, firstChildOf } from './prefix-tree.ts';
import { none } from './typed-array.ts';

/**
 * Makes room and takes a native id that holds the prefix ending at `end` (none: nothing). `end` is held already but no
 * running id ends there for this admission yet.
 */
export function takeSequence(state: PooledState, want: { end: number; wantedCount: number }): CacheSeqId {
  const { seqs, tree } = state;
  const { end, wantedCount } = want;
  if (seqs.freeCount === 0 && keeperAt(state, end) === undefined) freeLeastKeeper(state);
  makeRoom(state, wantedCount);
  const keeper = keeperAt(state, end);
  if (keeper !== undefined) {
    adoptKeeper(seqs, keeper);
    return keeper;
  }
  const seq = must(takeFreeId(seqs), 'a native id was counted before it is taken');
  if (end !== none) {
    seqs.ops.push({
      kind: 'copy',
      from: anyCovering(state, end),
      to: seq,
      tokenCount: depthOf(tree, end) * state.blockTokens,
    });
    setEnd(seqs, seq, end);
  }
  return seq;
}

function keeperAt(state: PooledState, end: number): CacheSeqId | undefined {
  if (end === none) return undefined;
  const seq = anyEndAt(state.seqs, end);
  return seq !== undefined && roleOf(state.seqs, seq) === 'keeper' ? seq : undefined;
}

/** A native id whose path goes through `block`. There is one: every leaf is the end of at least one id. */
function anyCovering(state: PooledState, block: number): CacheSeqId {
  let below = block;
  for (;;) {
    const seq = anyEndAt(state.seqs, below);
    if (seq !== undefined) return seq;
    below = firstChildOf(state.tree, below);
    assert(below !== none, 'every leaf of the tree is the end of a native id');
  }
}

/** The id keeps the prefix that ends at `end`, unless another id does. */
export function becomeKeeperOrFree(state: PooledState, seq: CacheSeqId, end: number): void {
  const { tree, seqs } = state;
  if (end === none || firstChildOf(tree, end) !== none || anyEndAt(seqs, end) !== undefined) {
    freeId(seqs, seq);
    seqs.ops.push({ kind: 'truncate', seq: seq, fromPosition: 0 });
    return;
  }
  becomeKeeper(seqs, seq, end);
  state.offered[seq] = 0;
  seqs.ops.push({ kind: 'truncate', seq: seq, fromPosition: depthOf(tree, end) * state.blockTokens });
}
