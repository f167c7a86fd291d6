// Memory of states that were given up, to write others to.
// Why kept: the first write to fresh memory costs five times the copy itself (`npm run bench -- host-copies`), twenty times where
// it is page-locked, since the system hands it out page by page; memory that was written before costs nothing.
// Why as much as states may take in all: a conversation's states grow, so that of what it leaves nothing fits its next one; it
// fits another's, which may come much later.

import { stateSlack } from '../kernel-port.ts';
import type { HostMemory } from './host-memory.ts';

/** A state's bytes, in memory of their own. */
export interface StateBytes {
  /** Empty once the memory was given back: whoever took it out before must not look at it then. */
  readonly bytes: Uint8Array;
}

export interface StateBuffers {
  /** So many bytes; what they hold is left over from others. */
  take(byteCount: number): StateBytes;
  /** Takes their memory back. */
  give(state: StateBytes): void;
  /** Frees what nobody has. */
  dispose(): void;
}

type StateMemory = Pick<HostMemory, 'buffer' | 'free'>;

/** Fresh memory is a little larger than asked for, by less than an eighth: a conversation's next state is, too. */
const stepsPerDoubling = 8;
const nothing = new Uint8Array(0);

/**
 * `bytesMax`: of states and of memory that nobody uses, together; beyond it of the latter goes what was given back first.
 * `allocate`: where states live. Default: on the JavaScript heap.
 */
export function createStateBuffers(
  bytesMax: number,
  allocate: (byteCount: number) => StateMemory = allocateOnHeap,
): StateBuffers {
  const spares: StateMemory[] = [];
  let spareBytes = 0;
  let takenBytes = 0;
  const memoryOf = new WeakMap<StateBytes, StateMemory>();
  /** States that were let go of without being given back. */
  const lost = new FinalizationRegistry<StateMemory>((memory) => {
    takenBytes -= memory.buffer.byteLength;
    memory.free();
  });

  function takeOut(index: number): StateMemory | undefined {
    const [memory] = spares.splice(index, 1);
    spareBytes -= memory?.buffer.byteLength ?? 0;
    return memory;
  }

  /** The smallest that is large enough. O(spares). */
  function fitting(byteCount: number): StateMemory | undefined {
    let best: number | undefined;
    let bestBytes = byteCount * stateSlack;
    for (const [index, { buffer }] of spares.entries()) {
      if (buffer.byteLength < byteCount || buffer.byteLength > bestBytes) continue;
      best = index;
      bestBytes = buffer.byteLength;
    }
    return best === undefined ? undefined : takeOut(best);
  }

  function freeBeyond(spareBytesMax: number): void {
    while (spares.length > 0 && spareBytes > spareBytesMax) takeOut(0)?.free();
  }

  function allocateFresh(byteCount: number): StateMemory {
    freeBeyond(bytesMax - takenBytes - byteCount);
    return allocate(byteCount);
  }

  return {
    take(byteCount) {
      const memory = fitting(byteCount) ?? allocateFresh(roundUp(byteCount));
      takenBytes += memory.buffer.byteLength;
      const state = { bytes: new Uint8Array(memory.buffer, 0, byteCount) };
      memoryOf.set(state, memory);
      lost.register(state, memory, state);
      return state;
    },
    give(state) {
      const memory = memoryOf.get(state);
      if (memory === undefined) return;
      memoryOf.delete(state);
      lost.unregister(state);
      (state as { bytes: Uint8Array }).bytes = nothing;
      takenBytes -= memory.buffer.byteLength;
      spares.push(memory);
      spareBytes += memory.buffer.byteLength;
      freeBeyond(bytesMax - takenBytes);
    },
    dispose: () => freeBeyond(-1),
  };
}

function allocateOnHeap(byteCount: number): StateMemory {
  return { buffer: new ArrayBuffer(byteCount), free: () => undefined };
}

function roundUp(byteCount: number): number {
  const wanted = Math.max(byteCount, 1);
  const grain = 2 ** Math.max(0, Math.floor(Math.log2(wanted)) - Math.log2(stepsPerDoubling));
  return Math.ceil(wanted / grain) * grain;
}
