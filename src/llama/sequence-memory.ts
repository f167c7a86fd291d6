// What the native cache holds per sequence id: copying, cutting, parking and restoring.
// Why copies between slabs are remembered: llama.cpp carries them out at the next decode only. Until then the target's
// cells are stale and the source's must not be overwritten, so parking and restoring those sequences has to wait.

import { assert } from '../assert.ts';
import type { CacheSeqId } from '../ids.ts';
import type { Kernel, KernelLimits, ParkedState } from '../kernel-port.ts';
import { createStateAccess, open, type StateSource } from './sequence-state.ts';

export interface SequenceMemorySource extends StateSource {
  readonly limits: KernelLimits;
}

export interface SequenceMemory extends Pick<Kernel, 'copyPrefix' | 'move' | 'truncate' | 'positions' | keyof Parking> {
  /** A decode ran: copies between slabs are done. */
  settled(): void;
  /** Whether a copy from or to the sequence waits for the next decode. */
  isCopying(seq: CacheSeqId): boolean;
}

export function createSequenceMemory(source: SequenceMemorySource): SequenceMemory {
  const { native, memory, limits } = source;
  const copying = new Set<CacheSeqId>();

  function checkSeq(seq: CacheSeqId): void {
    assert(seq >= 0 && seq < limits.cacheSeqCount, `sequence id is in [0, ${limits.cacheSeqCount}). Given: ${seq}`);
  }

  function positions(seq: CacheSeqId): { readonly min: number; readonly max: number } | undefined {
    checkSeq(seq);
    const min = native.llama_memory_seq_pos_min(memory, seq);
    return min < 0 ? undefined : { min, max: native.llama_memory_seq_pos_max(memory, seq) };
  }

  function truncate(seq: CacheSeqId, fromPosition: number): void {
    checkSeq(seq);
    const removed = native.llama_memory_seq_rm(memory, seq, fromPosition, open);
    assert(removed, `sequence ${seq} can be cut at ${fromPosition}; this model keeps one state for the whole past`);
  }

  function copyPrefix(from: CacheSeqId, to: CacheSeqId, tokenCount: number): void {
    checkSeq(from);
    checkSeq(to);
    assert(limits.sharesPrefixes, 'the model keeps every position, so that a prefix can be copied');
    assert(positions(to) === undefined, `sequence ${to} is empty before a prefix is copied into it`);
    const held = positions(from);
    assert(held !== undefined && held.max + 1 >= tokenCount, `sequence ${from} holds the ${tokenCount} tokens to copy`);
    if (limits.layout === 'pooled') {
      native.llama_memory_seq_cp(memory, from, to, 0, tokenCount);
      return;
    }
    // Between slabs only whole sequences are copied: copy all, then cut.
    native.llama_memory_seq_cp(memory, from, to, open, open);
    truncate(to, tokenCount);
    copying.add(from).add(to);
  }

  function move(from: CacheSeqId, to: CacheSeqId): void {
    checkSeq(from);
    checkSeq(to);
    assert(positions(to) === undefined, `sequence ${to} is empty before another is moved there`);
    assert(positions(from) !== undefined, `sequence ${from} holds what is moved`);
    native.llama_memory_seq_cp(memory, from, to, open, open);
    truncate(from, 0);
    if (limits.layout === 'per-sequence') copying.add(from).add(to);
  }

  const isCopying = (seq: CacheSeqId): boolean => copying.has(seq);
  return {
    copyPrefix,
    move,
    truncate,
    positions,
    isCopying,
    settled: () => copying.clear(),
    ...createParking(source, { positions, truncate, isCopying }),
  };
}

type Parking = Pick<Kernel, 'park' | 'restore' | 'fill' | 'forget' | 'parkBytes'>;

type Cells = Pick<SequenceMemory, 'positions' | 'truncate' | 'isCopying'>;

function createParking(source: SequenceMemorySource, cells: Cells): Parking {
  const { limits } = source;
  const { positions, truncate, isCopying } = cells;
  const states = createStateAccess(source);

  function parkBytes(seq: CacheSeqId): number {
    const held = positions(seq);
    return held === undefined ? 0 : states.size(seq, held.max + 1 - held.min);
  }

  function park(seq: CacheSeqId, tokenCount: number): ParkedState | undefined {
    if (isCopying(seq)) return undefined;
    const held = positions(seq);
    assert(held !== undefined && held.max + 1 >= tokenCount, `sequence ${seq} holds the ${tokenCount} tokens to park`);
    // One state for the whole past cannot be cut back to fewer tokens.
    if (!limits.sharesPrefixes && held.max + 1 !== tokenCount) return undefined;
    const read = states.read(seq);
    // The very object that was taken: its bytes are gone when it is given back.
    return read === undefined ? undefined : Object.assign(read, { tokenCount });
  }

  function restore(seq: CacheSeqId, state: ParkedState): boolean {
    assert(positions(seq) === undefined, `sequence ${seq} is empty before a state is restored into it`);
    if (isCopying(seq)) return false;
    const { bytes, tokenCount } = state;
    const held = states.write(seq, bytes) ? positions(seq) : undefined;
    if (held === undefined || held.max + 1 < tokenCount) {
      truncate(seq, 0);
      return false;
    }
    if (held.max + 1 > tokenCount) truncate(seq, tokenCount);
    return true;
  }

  function fill(seq: CacheSeqId, state: ParkedState): boolean {
    const from = (positions(seq)?.max ?? -1) + 1;
    if (from === 0) return restore(seq, state);
    assert(limits.layout === 'pooled' && limits.sharesPrefixes, `sequence ${seq} is empty before its slab is filled`);
    const { bytes, tokenCount } = state;
    assert(from < tokenCount, `sequence ${seq} lacks some of the ${tokenCount} tokens to fill`);
    if (!states.append(seq, bytes, { from, to: tokenCount })) return false;
    if (positions(seq)?.max === tokenCount - 1) return true;
    truncate(seq, from);
    return false;
  }

  return { park, restore, fill, forget: source.buffers.give, parkBytes };
}
