// Memory of states that were given up, to write others to.
// Why kept: the first write to fresh memory costs five times the copy itself (`npm run bench -- host-copies`), since the system
// hands it out page by page; memory that was written before costs nothing.

import { stateSlack } from '../kernel-port.ts';

export interface StateBuffers {
  /** A view of so many bytes, in memory of its own; what it holds is left over from others. */
  take(byteCount: number): Uint8Array;
  /** Takes the memory of a view back: whoever still has the view has an empty one. */
  give(bytes: Uint8Array): void;
}

/** Fresh memory is a little larger than asked for, by less than an eighth: a conversation's next state is, too. */
const stepsPerDoubling = 8;

/** `spareBytesMax`: of memory that nobody uses; what was given back first goes beyond it. */
export function createStateBuffers(spareBytesMax: number): StateBuffers {
  const spares: ArrayBuffer[] = [];
  let spareBytes = 0;

  function takeOut(index: number): ArrayBuffer | undefined {
    const [buffer] = spares.splice(index, 1);
    spareBytes -= buffer?.byteLength ?? 0;
    return buffer;
  }

  /** The smallest that is large enough. O(spares). */
  function fitting(byteCount: number): ArrayBuffer | undefined {
    let best: number | undefined;
    let bestBytes = byteCount * stateSlack;
    for (const [index, { byteLength }] of spares.entries()) {
      if (byteLength < byteCount || byteLength > bestBytes) continue;
      best = index;
      bestBytes = byteLength;
    }
    return best === undefined ? undefined : takeOut(best);
  }

  return {
    take: (byteCount) => new Uint8Array(fitting(byteCount) ?? new ArrayBuffer(roundUp(byteCount)), 0, byteCount),
    give({ buffer }) {
      if (!(buffer instanceof ArrayBuffer)) return;
      // Moves the memory: nothing is copied.
      const spare = structuredClone(buffer, { transfer: [buffer] });
      if (spare.byteLength === 0 || spare.byteLength > spareBytesMax) return;
      spares.push(spare);
      spareBytes += spare.byteLength;
      while (spareBytes > spareBytesMax) takeOut(0);
    },
  };
}

function roundUp(byteCount: number): number {
  const grain = 2 ** Math.max(0, Math.floor(Math.log2(Math.max(byteCount, 1))) - Math.log2(stepsPerDoubling));
  return Math.ceil(byteCount / grain) * grain;
}
