// What the native cache holds per sequence id: copying, cutting, parking and restoring.
// Why copies between slabs are remembered: llama.cpp carries them out at the next decode only. Until then the target's
// cells are stale and the source's must not be overwritten, so parking and restoring those sequences has to wait.
// Why high ids are parked under id 0: llama.cpp writes who owns a cell into a state only for ids below n_seq_max, and
// restores no cell without an owner. In one pool a sequence changes its id for nothing: only marks on cells change.

import { assert } from '../assert.ts';
import type { CacheSeqId } from '../ids.ts';
import type { Kernel, KernelLimits, ParkedState } from '../ports.ts';
import type { ContextPointer, MemoryPointer, Native } from './native.ts';

export interface SequenceMemorySource {
  readonly native: Native;
  readonly context: ContextPointer;
  readonly memory: MemoryPointer;
  readonly limits: KernelLimits;
  /** Ids below this can be parked as they are (n_seq_max). */
  readonly parkableSeqCount: number;
}

export interface SequenceMemory
  extends Pick<Kernel, 'copyPrefix' | 'truncate' | 'positions' | 'park' | 'restore' | 'parkBytes'> {
  /** A decode ran: copies between slabs are done. */
  settled(): void;
}

/** llama.cpp reads a negative bound as "open". */
const open = -1;
const noFlags = 0;
/** The id that higher ones are parked under. */
const parkingSeq = 0;
/** Holds what id 0 had meanwhile; no sequence gets it unless every id can be parked as it is (kernel.ts). */
export const spareSeq = 255;
/** What a state says of a cell's owner. */
const ownerBytes = 4;

export function createSequenceMemory(source: SequenceMemorySource): SequenceMemory {
  const { native, context, memory, limits, parkableSeqCount } = source;
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

  function parkBytes(seq: CacheSeqId): number {
    const size = native.llama_state_seq_get_size_ext(context, seq, noFlags);
    const held = positions(seq);
    if (held === undefined || seq < parkableSeqCount) return size;
    return size + ownerBytes * (held.max + 1 - held.min);
  }

  /** Reads a state under an id that llama.cpp writes whole. */
  function readState(seq: number): Uint8Array | undefined {
    const bytes = new Uint8Array(native.llama_state_seq_get_size_ext(context, seq, noFlags));
    const written = native.llama_state_seq_get_data_ext(context, bytes, bytes.length, seq, noFlags);
    return written > 0 && written === bytes.length ? bytes : undefined;
  }

  /** Gives all of a sequence's cells to an empty id of the same pool. */
  function move(from: number, to: number): void {
    native.llama_memory_seq_cp(memory, from, to, open, open);
    native.llama_memory_seq_rm(memory, from, open, open);
  }

  function readStateOfHighId(seq: number): Uint8Array | undefined {
    move(parkingSeq, spareSeq);
    native.llama_memory_seq_cp(memory, seq, parkingSeq, open, open);
    const bytes = readState(parkingSeq);
    native.llama_memory_seq_rm(memory, parkingSeq, open, open);
    move(spareSeq, parkingSeq);
    return bytes;
  }

  function park(seq: CacheSeqId, tokenCount: number): ParkedState | undefined {
    if (copying.has(seq)) return undefined;
    const held = positions(seq);
    assert(held !== undefined && held.max + 1 >= tokenCount, `sequence ${seq} holds the ${tokenCount} tokens to park`);
    // One state for the whole past cannot be cut back to fewer tokens.
    if (!limits.sharesPrefixes && held.max + 1 !== tokenCount) return undefined;
    const bytes = seq < parkableSeqCount ? readState(seq) : readStateOfHighId(seq);
    return bytes === undefined ? undefined : { bytes, tokenCount };
  }

  function restore(seq: CacheSeqId, state: ParkedState): boolean {
    assert(positions(seq) === undefined, `sequence ${seq} is empty before a state is restored into it`);
    if (copying.has(seq)) return false;
    const { bytes, tokenCount } = state;
    const read = native.llama_state_seq_set_data_ext(context, bytes, bytes.length, seq, noFlags);
    const held = read > 0 ? positions(seq) : undefined;
    if (held === undefined || held.max + 1 < tokenCount) {
      truncate(seq, 0);
      return false;
    }
    if (held.max + 1 > tokenCount) truncate(seq, tokenCount);
    return true;
  }

  return { copyPrefix, truncate, positions, park, restore, parkBytes, settled: () => copying.clear() };
}
