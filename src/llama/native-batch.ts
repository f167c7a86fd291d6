// The arrays of one step's batch, in native memory, allocated once.
// Why native: koffi then passes five addresses per step instead of copying, and the decode that runs on another thread
// reads memory that the garbage collector never moves.

import koffi from 'koffi';
import type { StepBatch } from '../ports.ts';
import type { NativeBatch } from './native-structs.ts';

export interface BatchMemory {
  readonly step: StepBatch;
  /** The struct that llama_decode gets; only `n_tokens` changes. */
  readonly native: NativeBatch;
  free(): void;
}

/** Allocates a batch of at most `tokensMax` rows, one sequence id a row. */
export function allocateBatch(tokensMax: number): BatchMemory {
  const tokens = allocate(tokensMax, 4);
  const positions = allocate(tokensMax, 4);
  const cacheSeqs = allocate(tokensMax, 4);
  const seqCounts = allocate(tokensMax, 4);
  const seqPointers = allocate(tokensMax, 8);
  const outputs = allocate(tokensMax, 1);
  new Int32Array(seqCounts.view).fill(1);
  // Row i's list of sequence ids is the single entry i of `cacheSeqs`.
  new BigUint64Array(seqPointers.view).set(
    BigUint64Array.from({ length: tokensMax }, (_, row) => cacheSeqs.address + BigInt(4 * row)),
  );
  return {
    step: {
      tokens: new Int32Array(tokens.view),
      positions: new Int32Array(positions.view),
      cacheSeqs: new Int32Array(cacheSeqs.view),
      outputs: new Int8Array(outputs.view),
    },
    native: {
      n_tokens: 0,
      token: tokens.address,
      embd: null,
      pos: positions.address,
      n_seq_id: seqCounts.address,
      seq_id: seqPointers.address,
      logits: outputs.address,
    },
    free() {
      for (const memory of [tokens, positions, cacheSeqs, seqCounts, seqPointers, outputs]) koffi.free(memory.address);
    },
  };
}

function allocate(count: number, entryBytes: number): { readonly address: bigint; readonly view: ArrayBuffer } {
  const address = koffi.alloc('uint8_t', count * entryBytes) as bigint;
  return { address, view: koffi.view(address, count * entryBytes) };
}
