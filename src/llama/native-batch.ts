// The arrays of one step's batch, in native memory, allocated once.
// Why native: koffi then passes five addresses per step instead of copying, and the decode that runs on another thread
// reads memory that the garbage collector never moves.

import koffi from 'koffi';
import { assert } from '../assert.ts';
import type { CacheSeqId } from '../ids.ts';
import type { StepBatch } from '../kernel-port.ts';
import type { NativeBatch } from './native-structs.ts';

/** Rows [from, to) of a step that several native sequences hold at once. */
export interface SharedRun {
  readonly from: number;
  readonly to: number;
  readonly seqs: readonly CacheSeqId[];
}

export interface BatchMemory {
  readonly step: StepBatch;
  /**
   * Gives runs of rows to several sequences each, until `unshare`; `cacheSeqs` does not count for these rows. All runs
   * together list at most `sharedSeqsMax` sequences.
   */
  share(runs: readonly SharedRun[]): void;
  /** Every row belongs to its one entry of `cacheSeqs` again. */
  unshare(): void;
  /** The struct that llama_decode gets; only `n_tokens` changes. */
  readonly native: NativeBatch;
  free(): void;
}

/**
 * Sequences that the shared runs of one step list in all: what a tree of 256 leaves needs at most. Its runs are its edges;
 * where one leaf leaves the stem after another, the stem's list 256 leaves, 255 and so on down to 2, and the others one each.
 */
export const sharedSeqsMax = (256 * 257) / 2 - 1 + 256;

/**
 * Allocates a batch of at most `tokensMax` rows, one sequence id a row unless rows are shared; with a hidden state of `stateWidth`
 * values beside each token where that is not 0.
 */
export function allocateBatch(tokensMax: number, stateWidth = 0): BatchMemory {
  const tokens = allocate(tokensMax, 4);
  const positions = allocate(tokensMax, 4);
  const cacheSeqs = allocate(tokensMax, 4);
  const seqCounts = allocate(tokensMax, 4);
  const seqPointers = allocate(tokensMax, 8);
  const outputs = allocate(tokensMax, 1);
  const lists = allocate(sharedSeqsMax, 4);
  const states = stateWidth === 0 ? undefined : allocate(tokensMax * stateWidth, 4);
  return {
    ...createSharing({ tokensMax, cacheSeqs, seqCounts, seqPointers, lists }),
    step: {
      tokens: new Int32Array(tokens.view),
      positions: new Int32Array(positions.view),
      cacheSeqs: new Int32Array(cacheSeqs.view),
      outputs: new Int8Array(outputs.view),
      ...(states === undefined ? {} : { states: new Float32Array(states.view).fill(0) }),
    },
    native: {
      n_tokens: 0,
      token: tokens.address,
      embd: states?.address ?? null,
      pos: positions.address,
      n_seq_id: seqCounts.address,
      seq_id: seqPointers.address,
      logits: outputs.address,
    },
    free() {
      for (const memory of [tokens, positions, cacheSeqs, seqCounts, seqPointers, outputs, lists, states])
        if (memory !== undefined) koffi.free(memory.address);
    },
  };
}

interface NativeArray {
  readonly address: bigint;
  readonly view: ArrayBuffer;
}

interface SequenceArrays {
  readonly tokensMax: number;
  readonly cacheSeqs: NativeArray;
  readonly seqCounts: NativeArray;
  readonly seqPointers: NativeArray;
  /** The lists of shared runs, one after another. */
  readonly lists: NativeArray;
}

function createSharing(arrays: SequenceArrays): Pick<BatchMemory, 'share' | 'unshare'> {
  const { tokensMax, cacheSeqs, lists } = arrays;
  const counts = new Int32Array(arrays.seqCounts.view).fill(1);
  const pointers = new BigUint64Array(arrays.seqPointers.view);
  const entries = new Int32Array(lists.view);
  // Row i's list of sequence ids is the single entry i of `cacheSeqs`.
  const single = BigUint64Array.from({ length: tokensMax }, (_, row) => cacheSeqs.address + BigInt(4 * row));
  pointers.set(single);
  let isShared = false;
  return {
    share(runs) {
      let used = 0;
      for (const { from, to, seqs } of runs) {
        assert(from >= 0 && to <= tokensMax && seqs.length >= 1, 'a shared run lies in the batch and has a sequence');
        assert(used + seqs.length <= sharedSeqsMax, `shared runs list at most ${sharedSeqsMax} sequences in all`);
        entries.set(seqs, used);
        counts.fill(seqs.length, from, to);
        pointers.fill(lists.address + BigInt(4 * used), from, to);
        used += seqs.length;
      }
      isShared = true;
    },
    unshare() {
      if (!isShared) return;
      counts.fill(1);
      pointers.set(single);
      isShared = false;
    },
  };
}

function allocate(count: number, entryBytes: number): NativeArray {
  const address = koffi.alloc('uint8_t', count * entryBytes) as bigint;
  return { address, view: koffi.view(address, count * entryBytes) };
}
