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
import { createHeldStates } from './held-states.ts';
import { readExtent, rowPlaces, type StateExtent, stateBytes, writeHeads } from './state-format.ts';

export interface CopySource {
  readonly tensors: CacheTensors;
  readonly rows: CacheRows;
  readonly buffers: Pick<StateBuffers, 'takeSpare' | 'takeAsync' | 'give'>;
  readonly kernel: Pick<Kernel, 'positions' | 'restore'>;
  /** Whether a copy from or to the sequence waits for the next decode. */
  readonly isCopying: (seq: CacheSeqId) => boolean;
}

export interface ClosableCopies extends CopiesBeside {
  /** As `Kernel.forget`; put off while the state is copied from. */
  forget(state: ParkedState): void;
  /** No copy may be asked for any more. Undefined where none is under way. */
  close(): Promise<unknown> | undefined;
}

export function createCopiesBeside(source: CopySource): ClosableCopies {
  const { tensors, rows, buffers, kernel, isCopying } = source;
  const layers = [...tensors.keys, ...tensors.values];
  const held = createHeldStates(buffers.give);
  const underWay = new Set<Promise<unknown>>();
  let isClosed = false;

  function follow<T>(copy: Promise<T>): Promise<T> {
    const ended = () => underWay.delete(settled);
    const settled: Promise<unknown> = copy.then(ended, ended);
    underWay.add(settled);
    return copy;
  }

  /** Of a state's rows the first `tokenCount` of each layer. */
  async function copyRows(direction: 'read' | 'write', of: StateRows): Promise<void> {
    let begunBytes = 0;
    const places = rowPlaces(tensors, of.extent);
    for (const [index, tensor] of layers.entries()) {
      const place = must(places[index], 'every layer has rows in a state');
      // What writes to a device looks at no bounds.
      assert(of.tokenCount <= tensor.positionCount, 'what is copied fits a slab');
      const bytes = of.bytes.subarray(place, place + of.tokenCount * tensor.rowBytes);
      rows[direction](tensor, bytes, of.seq * tensor.streamBytes);
      begunBytes += bytes.byteLength;
      if (direction === 'read' || begunBytes < writtenAtOnceBytes) continue;
      await rows.ended();
      begunBytes = 0;
    }
    await rows.ended();
  }

  async function readState(seq: CacheSeqId, tokenCount: number): Promise<ParkedState | undefined> {
    const byteCount = stateBytes(tensors, tokenCount);
    // Memory that was used before is there at once, and so is the copy's beginning: before the step, not beside it.
    const state = buffers.takeSpare(byteCount) ?? (await takeFresh(buffers, byteCount));
    if (state === undefined) return undefined;
    const extent = { seq, tokenCount };
    try {
      writeHeads(state.bytes, tensors, extent);
      await copyRows('read', { seq, bytes: state.bytes, extent, tokenCount });
    } catch (error) {
      await rows.ended();
      buffers.give(state);
      throw error;
    }
    // The very object that was taken: its bytes are gone when it is given back.
    return Object.assign(state, { tokenCount });
  }

  async function writeState(state: ParkedState, of: StateRows): Promise<void> {
    const letGo = held.hold(state);
    try {
      await copyRows('write', of);
    } finally {
      letGo();
    }
  }

  return {
    async park(seq, tokenCount) {
      assert(!isClosed, 'nothing is parked after the end');
      if (isCopying(seq)) return undefined;
      const { max } = kernel.positions(seq) ?? { max: -1 };
      assert(tokenCount >= 1 && max + 1 >= tokenCount, `sequence ${seq} holds the ${tokenCount} tokens to park`);
      return follow(readState(seq, tokenCount));
    },
    restore(seq, state) {
      assert(!isClosed, 'nothing is restored after the end');
      const { bytes, tokenCount } = state;
      const extent = readExtent(bytes, tensors);
      if (extent === undefined || !rows.withoutRows(() => kernel.restore(seq, state))) return undefined;
      return follow(writeState(state, { seq, bytes, extent, tokenCount }));
    },
    forget: held.forget,
    close() {
      isClosed = true;
      return underWay.size === 0 ? undefined : Promise.all(underWay);
    },
  };
}

/**
 * More is not written before the last of it has arrived: what a step itself sends to the device waits behind it (one H100: a step waited
 * for all of 272 MiB, 7 ms).
 */
const writtenAtOnceBytes = 16 * 2 ** 20;

/** The first `tokenCount` rows of each layer: of `seq` in the cache, and among those of `extent` in the bytes. */
interface StateRows {
  readonly seq: CacheSeqId;
  readonly bytes: Uint8Array;
  readonly extent: StateExtent;
  readonly tokenCount: number;
}

/** Undefined where there is none. */
async function takeFresh(buffers: Pick<StateBuffers, 'takeAsync'>, byteCount: number): Promise<StateBytes | undefined> {
  try {
    return await buffers.takeAsync(byteCount);
  } catch {
    return undefined;
  }
}
