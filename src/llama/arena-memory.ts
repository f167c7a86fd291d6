// Parts of memory that was locked at start, for states that are large enough.

import koffi from 'koffi';
import { must } from '../assert.ts';
import type { HostMemory } from './host-memory.ts';
import { createStateArena } from './state-arena.ts';
import type { MemoryParts } from './state-buffers.ts';

/** Parts are whole pages: of a smaller state more would be lost than it may be larger than its size. */
const partBytesMin = 1 << 16;

/** `pieces`: whole pages each; they are freed after `end`, when the last part was given back. */
export function partsOf(pieces: readonly HostMemory[]): MemoryParts {
  const arena = createStateArena(pieces.map(({ buffer }) => buffer.byteLength));
  let takenCount = 0;
  let isOver = false;
  let isFreed = false;

  function freeUnused(): void {
    if (!isOver || takenCount > 0 || isFreed) return;
    isFreed = true;
    for (const piece of pieces) piece.free();
  }

  return {
    take(byteCount) {
      const part = byteCount < partBytesMin ? undefined : arena.take(byteCount);
      if (part === undefined) return undefined;
      const { address } = must(pieces[part.piece], 'a part is one of a piece');
      takenCount += 1;
      return {
        isPart: true,
        buffer: koffi.view(address + BigInt(part.offset), part.byteCount),
        free() {
          arena.give(part);
          takenCount -= 1;
          freeUnused();
        },
      };
    },
    end() {
      isOver = true;
      freeUnused();
    },
  };
}
