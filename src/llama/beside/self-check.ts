// Whether copies beside steps make and read the states that llama.cpp makes and reads, tried on a few rows at start.
// Why: they know its memory by heart, and another build of the libraries may lay it out otherwise. Then they are not made.

import { must } from '../../assert.ts';
import { type CacheSeqId, cacheSeqId } from '../../ids.ts';
import type { CopiesBeside, Kernel, ParkedState } from '../../kernel-port.ts';

export interface CheckedKernel {
  readonly kernel: Kernel;
  readonly copies: CopiesBeside;
  /** Empties the cache and zeroes its rows: what is there afterwards was written since. */
  readonly clear: () => void;
}

/** Rows that are computed: enough to have beginning, middle and end. */
const rowsWanted = 5;

/** Leaves something in the cache. Throws, or rejects, where something cannot even be tried. */
export async function copiesAgree({ kernel, copies, clear }: CheckedKernel): Promise<boolean> {
  const { limits, park, restore } = kernel;
  const first = cacheSeqId(0);
  const last = cacheSeqId(limits.cacheSeqCount - 1);
  const states: ParkedState[] = [];
  const kept = (state: ParkedState | undefined): ParkedState => {
    states.push(must(state, 'the cache has a state to park'));
    return must(state, 'a state');
  };

  async function readsAlike(seq: CacheSeqId, tokenCount: number): Promise<boolean> {
    return areEqual(kept(park(seq, tokenCount)), kept(await copies.park(seq, tokenCount)));
  }

  async function writesAlike(whole: ParkedState, tokenCount: number): Promise<boolean> {
    const state = { bytes: whole.bytes, tokenCount };
    clear();
    if (!restore(last, state)) return false;
    const expected = kept(park(last, tokenCount));
    clear();
    await must(copies.restore(last, state), 'an empty cache has room for a few rows');
    return areEqual(expected, kept(park(last, tokenCount))) && (await readsAlike(last, tokenCount));
  }

  try {
    clear();
    const rowCount = await computeRows(kernel, first);
    if (!(await readsAlike(first, rowCount))) return false;
    const [whole] = states;
    const counts = [rowCount, Math.max(1, rowCount - 2)];
    for (const count of counts) if (whole === undefined || !(await writesAlike(whole, count))) return false;
    return true;
  } finally {
    for (const state of states) kernel.forget(state);
  }
}

/** Computes the first rows of a sequence, each of another token; answers how many. */
async function computeRows({ batch, limits, decode }: Kernel, seq: CacheSeqId): Promise<number> {
  const slabCells = Math.floor(limits.cellCount / limits.cacheSeqCount);
  const rowCount = Math.min(rowsWanted, limits.batchTokensMax, slabCells);
  for (let row = 0; row < rowCount; row++) {
    batch.tokens[row] = row % limits.vocabularySize;
    batch.positions[row] = row;
    batch.cacheSeqs[row] = seq;
    batch.outputs[row] = row === rowCount - 1 ? 1 : 0;
  }
  const outcome = await decode(rowCount);
  if (outcome.kind !== 'done') throw new Error(`a step of ${rowCount} rows failed: ${JSON.stringify(outcome)}`);
  return rowCount;
}

function areEqual(one: ParkedState, other: ParkedState): boolean {
  return Buffer.compare(one.bytes, other.bytes) === 0;
}
