// A sequence's whole native state as bytes in host memory, for parking.
// Why high ids are read through id 0: llama.cpp writes who owns a cell into a state only for ids below n_seq_max, and
// restores no cell without an owner. In one pool a sequence changes its id for nothing: only marks on cells change.

import type { ContextPointer, MemoryPointer, Native } from './native.ts';
import type { NativeLog } from './native-log.ts';
import type { StateBuffers, StateBytes } from './state-buffers.ts';
import { type PositionRun, sliceState } from './state-slice.ts';

export interface StateSource {
  readonly native: Native;
  readonly context: ContextPointer;
  readonly memory: MemoryPointer;
  /** Ids below this can be parked as they are (n_seq_max). */
  readonly parkableSeqCount: number;
  readonly nativeLog: Pick<NativeLog, 'quietly'>;
  /** Where states are written to. */
  readonly buffers: StateBuffers;
}

export interface StateAccess {
  /** Bytes that `read` would answer for a sequence of `tokenCount` positions. */
  size(seq: number, tokenCount: number): number;
  read(seq: number): StateBytes | undefined;
  /** Puts a state under an empty id; false when it does not fit the cache, or is none. */
  write(seq: number, bytes: Uint8Array): boolean;
  /** Adds the positions of `run` to a sequence of a pool that ends where it begins; false as `write`. */
  append(seq: number, bytes: Uint8Array, run: PositionRun): boolean;
}

/** llama.cpp reads a negative bound of positions as "open". */
export const open = -1;
/** Holds what id 0 has while a higher id is read, or what is appended to another; no sequence gets it, unless every id can be parked as it is. */
export const spareSeq = 255;

const parkingSeq = 0;
const noFlags = 0;
/** What a state says of a cell's owner. */
const ownerBytes = 4;

export function createStateAccess(source: StateSource): StateAccess {
  const { native, context, memory, parkableSeqCount, nativeLog, buffers } = source;

  function readLow(seq: number): StateBytes | undefined {
    const state = buffers.take(native.llama_state_seq_get_size_ext(context, seq, noFlags));
    const { bytes } = state;
    const written = native.llama_state_seq_get_data_ext(context, bytes, bytes.length, seq, noFlags);
    if (written > 0 && written === bytes.length) return state;
    buffers.give(state);
    return undefined;
  }

  /** Gives all of a sequence's cells to an empty id of the same pool. */
  function move(from: number, to: number): void {
    native.llama_memory_seq_cp(memory, from, to, open, open);
    native.llama_memory_seq_rm(memory, from, open, open);
  }

  function readHigh(seq: number): StateBytes | undefined {
    move(parkingSeq, spareSeq);
    native.llama_memory_seq_cp(memory, seq, parkingSeq, open, open);
    const state = readLow(parkingSeq);
    native.llama_memory_seq_rm(memory, parkingSeq, open, open);
    move(spareSeq, parkingSeq);
    return state;
  }

  /** A pool may have the cells, but not in one run, as llama.cpp wants them: then what was parked is computed again. */
  function write(seq: number, bytes: Uint8Array): boolean {
    if (bytes.length === 0) return false;
    return nativeLog.quietly(() => native.llama_state_seq_set_data_ext(context, bytes, bytes.length, seq, noFlags) > 0);
  }

  function append(seq: number, bytes: Uint8Array, run: PositionRun): boolean {
    // Where every id can be parked as it is, the spare one may be a sequence's.
    const slice = parkableSeqCount > spareSeq ? undefined : sliceState(bytes, run);
    const written = slice !== undefined && write(spareSeq, slice);
    if (written) native.llama_memory_seq_cp(memory, spareSeq, seq, run.from, run.to);
    if (slice !== undefined) native.llama_memory_seq_rm(memory, spareSeq, open, open);
    return written;
  }

  return {
    append,
    write,
    size(seq, tokenCount) {
      const bytes = native.llama_state_seq_get_size_ext(context, seq, noFlags);
      return seq < parkableSeqCount ? bytes : bytes + ownerBytes * tokenCount;
    },
    read: (seq) => (seq < parkableSeqCount ? readLow(seq) : readHigh(seq)),
  };
}
