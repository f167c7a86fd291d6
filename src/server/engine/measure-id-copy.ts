// How long a step takes longer when a prefix is copied from one native id to another with it: measured before anything is served.
// Why measured: with slabs llama.cpp copies all of a slab's cells at the next step, and plans its largest graph anew after it. On a
// GPU that is many times what the bytes take, on a CPU with long slabs the other way round.
// Why the smallest of several times: another process can only make a step slower.

import { type CacheSeqId, cacheSeqId } from '../../ids.ts';
import type { Kernel } from '../../kernel-port.ts';

export interface IdCopyMeasuring {
  readonly kernel: Kernel;
  /** Milliseconds of a monotonic clock. */
  readonly now: () => number;
}

const origin = cacheSeqId(0);
const target = cacheSeqId(1);
const rounds = 4;

/**
 * Milliseconds, 0 or more; undefined where nothing is copied: ids share their cells, or the cache cannot be cut. Measures on an empty
 * cache, and leaves it empty. Nine steps of one row.
 */
export async function measureIdCopy({ kernel, now }: IdCopyMeasuring): Promise<number | undefined> {
  const { layout, sharesPrefixes, cacheSeqCount, cellCount } = kernel.limits;
  const hasRoom = cacheSeqCount >= 2 && Math.floor(cellCount / cacheSeqCount) > 2 * rounds + 1;
  if (layout !== 'per-sequence' || !sharesPrefixes || !hasRoom) return undefined;
  let position = 0;
  const stepMs = async (): Promise<number> => {
    const startedMs = now();
    await decodeRow(kernel, origin, position);
    position += 1;
    return now() - startedMs;
  };
  const plainMs: number[] = [];
  const copyingMs: number[] = [];
  try {
    await stepMs();
    for (let round = 0; round < rounds; round++) {
      plainMs.push(await stepMs());
      kernel.copyPrefix(origin, target, position);
      copyingMs.push(await stepMs());
      kernel.truncate(target, 0);
    }
    return Math.max(0, Math.min(...copyingMs) - Math.min(...plainMs));
  } finally {
    for (const seq of [origin, target]) kernel.truncate(seq, 0);
  }
}

async function decodeRow(kernel: Kernel, seq: CacheSeqId, position: number): Promise<void> {
  const { batch } = kernel;
  batch.tokens[0] = 0;
  batch.cacheSeqs[0] = seq;
  batch.positions[0] = position;
  batch.outputs[0] = 1;
  const outcome = await kernel.decode(1);
  if (outcome.kind !== 'done') throw new Error(`a step of one row failed: ${JSON.stringify(outcome)}`);
}
