// Memory of states that were given up, to write others to.
// Why kept: the first write to fresh memory costs five times the copy itself (`npm run bench -- host-copies`), since the system
// hands it out page by page, and up to eighteen times where each page is locked as well; memory that was written before costs nothing.
// Why as much as states leave room: they grow with their conversations, so that what one leaves fits another's, perhaps much later.

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
  /** As `take`, of memory that is there: a part, or what was given back; undefined where none fits. */
  takeSpare(byteCount: number): StateBytes | undefined;
  /** As `take`; fresh memory is allocated on another thread meanwhile. Rejects where there is none. */
  takeAsync(byteCount: number): Promise<StateBytes>;
  /** Takes their memory back. */
  give(state: StateBytes): void;
  /** Frees what nobody has; what is given back later is freed then. */
  dispose(): void;
}

export interface StateMemory extends Pick<HostMemory, 'buffer' | 'free'> {
  /** Of memory that is had in any case: freed as soon as it is given back, and not counted. */
  readonly isPart?: boolean;
}

/** Where states live. Default: each in memory of its own on the JavaScript heap. */
export interface StateSource {
  /** Exactly so many bytes. */
  readonly allocate?: ((byteCount: number) => StateMemory) | undefined;
  readonly allocateAsync?: ((byteCount: number) => Promise<StateMemory>) | undefined;
  /** Asked first. */
  readonly parts?: MemoryParts | undefined;
}

export interface MemoryParts {
  /** At least so many bytes; undefined where there is no such part. */
  take(byteCount: number): StateMemory | undefined;
  /** What they are parts of is freed once nobody has any. */
  end(): void;
}

/** Fresh memory is a little larger than asked for, by less than an eighth: so it fits others of about that length. */
const stepsPerDoubling = 8;
const nothing = new Uint8Array(0);

/**
 * Of states that were let go of without being given back. Why not one for each kernel: it would be swept with the kernel, and what
 * it watches over would stay.
 */
const lost = new FinalizationRegistry<() => void>((letGo) => letGo());

/**
 * States in memory of their own may take more than `bytesMax`; memory that nobody uses is kept within what they leave of it, and what was
 * given back first goes beyond that.
 */
export function createStateBuffers(bytesMax: number, source: StateSource = {}): StateBuffers {
  const { allocate = allocateOnHeap, allocateAsync = async (byteCount: number) => allocate(byteCount), parts } = source;
  const spares: StateMemory[] = [];
  let spareBytes = 0;
  let takenBytes = 0;
  let isDisposed = false;
  const memoryOf = new WeakMap<StateBytes, StateMemory>();
  /** Keeps a state from being swept while somebody has its bytes alone. */
  const stateOf = new WeakMap<Uint8Array, StateBytes>();

  /** Says nothing of the state itself, which is watched until it is swept. */
  function letGoOf(memory: StateMemory): () => void {
    return () => {
      if (!memory.isPart) takenBytes -= memory.buffer.byteLength;
      memory.free();
    };
  }

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

  /** Counts fresh memory as taken before it is there, so that nothing else is kept in its place meanwhile. */
  function makeRoom(byteCount: number): number {
    const freshBytes = roundUp(byteCount);
    takenBytes += freshBytes;
    freeBeyond(bytesMax - takenBytes);
    return freshBytes;
  }

  /** Of a part, or of memory that counts as taken. */
  function stateIn(memory: StateMemory, byteCount: number): StateBytes {
    const state = { bytes: new Uint8Array(memory.buffer, 0, byteCount) };
    memoryOf.set(state, memory);
    stateOf.set(state.bytes, state);
    lost.register(state, letGoOf(memory), state);
    return state;
  }

  function takeSpare(byteCount: number): StateBytes | undefined {
    const part = parts?.take(byteCount);
    if (part !== undefined) return stateIn(part, byteCount);
    const memory = fitting(byteCount);
    if (memory === undefined) return undefined;
    takenBytes += memory.buffer.byteLength;
    return stateIn(memory, byteCount);
  }

  return {
    takeSpare,
    take(byteCount) {
      const spare = takeSpare(byteCount);
      if (spare !== undefined) return spare;
      const freshBytes = makeRoom(byteCount);
      try {
        return stateIn(allocate(freshBytes), byteCount);
      } catch (error) {
        takenBytes -= freshBytes;
        throw error;
      }
    },
    async takeAsync(byteCount) {
      const spare = takeSpare(byteCount);
      if (spare !== undefined) return spare;
      const freshBytes = makeRoom(byteCount);
      try {
        return stateIn(await allocateAsync(freshBytes), byteCount);
      } catch (error) {
        takenBytes -= freshBytes;
        throw error;
      }
    },
    give(state) {
      const memory = memoryOf.get(state);
      if (memory === undefined) return;
      memoryOf.delete(state);
      lost.unregister(state);
      (state as { bytes: Uint8Array }).bytes = nothing;
      if (isDisposed || memory.isPart) return letGoOf(memory)();
      takenBytes -= memory.buffer.byteLength;
      spares.push(memory);
      spareBytes += memory.buffer.byteLength;
      // Only where states alone are more than that, and then nothing else is spare.
      freeBeyond(bytesMax - takenBytes);
    },
    dispose() {
      isDisposed = true;
      freeBeyond(-1);
      parts?.end();
    },
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
