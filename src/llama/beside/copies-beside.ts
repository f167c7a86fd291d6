// Copies a slab's rows to and from host memory while steps of other sequences are computed.
// Why that is allowed: llama.cpp's context must not be touched meanwhile, but a step neither reads nor writes rows of sequences that it
// does not compute, and of those that it does it writes none before their end.
// Why a position's row is found without llama.cpp: a sequence that is alone in a slab, and is cut at its end alone, has position p in cell p.

import { assert, must } from '../../assert.ts';
import type { CacheSeqId } from '../../ids.ts';
import type { CopiesBeside, Kernel, ParkedState } from '../../kernel-port.ts';
import type { StateBuffers, StateBytes } from '../state-buffers.ts';
import type { CacheRows } from './cache-rows.ts';
import type { CacheTensors } from './cache-tensors.ts';
import { createCopyQueue } from './copy-queue.ts';
import { createHeldStates } from './held-states.ts';
import { readExtent, rowPlaces, type StateExtent, stateBytes, writeHeads } from './state-format.ts';

export interface CopySource {
  readonly tensors: CacheTensors;
  readonly rows: CacheRows;
  readonly buffers: Pick<StateBuffers, 'takeAsync' | 'give'>;
  readonly kernel: Pick<Kernel, 'positions' | 'restore'>;
  /** Whether a copy from or to the sequence waits for the next decode. */
  readonly isCopying: (seq: CacheSeqId) => boolean;
}

export interface ClosableCopies extends CopiesBeside {
  /** As `Kernel.forget`; put off while the state is copied from. */
  forget(state: ParkedState): void;
  /** No copy may be asked for any more; undefined where none is under way. Those that are end early: they park nothing. */
  close(): Promise<void> | undefined;
}

export function createCopiesBeside(source: CopySource): ClosableCopies {
  const { tensors, rows, buffers, kernel, isCopying } = source;
  const layers = [...tensors.keys, ...tensors.values];
  const queue = createCopyQueue();
  const held = createHeldStates(buffers.give);

  /** Of a state's rows the first `tokenCount` of each layer; false where the queue was closed meanwhile. */
  async function copyRows(direction: 'read' | 'write', of: StateRows): Promise<boolean> {
    const places = rowPlaces(tensors, of.extent);
    for (const [index, tensor] of layers.entries()) {
      if (queue.isClosed()) return false;
      const place = must(places[index], 'every layer has rows in a state');
      // What writes to a device looks at no bounds.
      assert(of.tokenCount <= tensor.positionCount, 'what is copied fits a slab');
      const bytes = of.bytes.subarray(place, place + of.tokenCount * tensor.rowBytes);
      await rows[direction](tensor, bytes, of.seq * tensor.streamBytes);
    }
    return true;
  }

  async function readState(seq: CacheSeqId, tokenCount: number): Promise<ParkedState | undefined> {
    const state = await takeMemory(buffers, stateBytes(tensors, tokenCount));
    if (state === undefined) return undefined;
    const extent = { seq, tokenCount };
    writeHeads(state.bytes, tensors, extent);
    let isWhole = false;
    try {
      isWhole = await copyRows('read', { seq, bytes: state.bytes, extent, tokenCount });
    } finally {
      if (!isWhole) buffers.give(state);
    }
    // The very object that was taken: its bytes are gone when it is given back.
    return isWhole ? Object.assign(state, { tokenCount }) : undefined;
  }

  return {
    async park(seq, tokenCount) {
      assert(!queue.isClosed(), 'nothing is parked after the end');
      if (isCopying(seq)) return undefined;
      const { max } = kernel.positions(seq) ?? { max: -1 };
      assert(tokenCount >= 1 && max + 1 >= tokenCount, `sequence ${seq} holds the ${tokenCount} tokens to park`);
      return queue.add(() => readState(seq, tokenCount));
    },
    restore(seq, state) {
      assert(!queue.isClosed(), 'nothing is restored after the end');
      const { bytes, tokenCount } = state;
      const extent = readExtent(bytes, tensors);
      if (extent === undefined || !rows.withoutRows(() => kernel.restore(seq, state))) return undefined;
      const letGo = held.hold(state);
      return queue
        .add(() => copyRows('write', { seq, bytes, extent, tokenCount }))
        .then(letGo, (error) => {
          letGo();
          throw error;
        });
    },
    forget: held.forget,
    close: queue.close,
  };
}

/** The first `tokenCount` rows of each layer: of `seq` in the cache, and among those of `extent` in the bytes. */
interface StateRows {
  readonly seq: CacheSeqId;
  readonly bytes: Uint8Array;
  readonly extent: StateExtent;
  readonly tokenCount: number;
}

/** Undefined where there is none. */
async function takeMemory(
  buffers: Pick<StateBuffers, 'takeAsync'>,
  byteCount: number,
): Promise<StateBytes | undefined> {
  try {
    return await buffers.takeAsync(byteCount);
  } catch {
    return undefined;
  }
}
