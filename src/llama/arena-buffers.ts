// States in memory that was locked at start, as long as there is a part large enough for them; the others get memory of their own.

import koffi from 'koffi';
import { must } from '../assert.ts';
import type { HostMemory } from './host-memory.ts';
import { type ArenaPart, createStateArena, type StateArena } from './state-arena.ts';
import type { StateBuffers, StateBytes } from './state-buffers.ts';

/** Parts are whole pages: of a smaller state more would be lost than it may be larger than its size. */
const partBytesMin = 1 << 16;
const nothing = new Uint8Array(0);

/** Of states that were let go of without being given back; one for all kernels (state-buffers.ts says why). */
const lost = new FinalizationRegistry<() => void>((letGo) => letGo());

/** `pieces`: whole pages each, freed when these buffers are disposed of and nobody has a part of them any more. */
export function withArena(buffers: StateBuffers, pieces: readonly HostMemory[]): StateBuffers {
  const arena = createStateArena(pieces.map(({ buffer }) => buffer.byteLength));
  const parts = createParts(arena, () => {
    for (const piece of pieces) piece.free();
  });

  function takePart(byteCount: number): StateBytes | undefined {
    const part = byteCount < partBytesMin ? undefined : arena.take(byteCount);
    if (part === undefined) return undefined;
    const { address } = must(pieces[part.piece], 'a part is one of a piece');
    return parts.open(part, new Uint8Array(koffi.view(address + BigInt(part.offset), part.byteCount), 0, byteCount));
  }

  const takeSpare = (byteCount: number) => takePart(byteCount) ?? buffers.takeSpare(byteCount);
  return {
    takeSpare,
    take: (byteCount) => takeSpare(byteCount) ?? buffers.take(byteCount),
    takeAsync: async (byteCount) => takeSpare(byteCount) ?? (await buffers.takeAsync(byteCount)),
    give(state) {
      if (!parts.close(state)) buffers.give(state);
    },
    dispose() {
      buffers.dispose();
      parts.end();
    },
  };
}

/** Who has which part. `free` is called after `end`, once nobody has any. */
function createParts(arena: StateArena, free: () => void) {
  const partOf = new WeakMap<StateBytes, ArenaPart>();
  /** Keeps a state from being swept while somebody has its bytes alone. */
  const stateOf = new WeakMap<Uint8Array, StateBytes>();
  let openCount = 0;
  let isOver = false;

  function freeUnused(): void {
    if (isOver && openCount === 0) free();
  }

  /** Says nothing of the state itself, which is watched until it is swept. */
  function letGoOf(part: ArenaPart): () => void {
    return () => {
      arena.give(part);
      openCount -= 1;
      freeUnused();
    };
  }

  return {
    open(part: ArenaPart, bytes: Uint8Array): StateBytes {
      const state = { bytes };
      openCount += 1;
      partOf.set(state, part);
      stateOf.set(bytes, state);
      lost.register(state, letGoOf(part), state);
      return state;
    },
    /** False where it has no part. */
    close(state: StateBytes): boolean {
      const part = partOf.get(state);
      if (part === undefined) return false;
      partOf.delete(state);
      lost.unregister(state);
      (state as { bytes: Uint8Array }).bytes = nothing;
      letGoOf(part)();
      return true;
    },
    end(): void {
      if (isOver) return;
      isOver = true;
      freeUnused();
    },
  };
}
