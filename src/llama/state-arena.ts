// Memory for states that is had from the start, of which each gets a part.
// Why from the start: beside a GPU it is page-locked, and locking memory holds up whatever is being computed, on whichever thread it is
// done (one H100: 31 ms of a step for 68 MiB; docs/decisions/2026-11-26-prefixes-in-host-memory.md).
// Why parts that are joined again, not parts of fixed sizes: states are of any length, and a part that nobody else fits is lost.

import { assert } from '../assert.ts';

/** A part of a piece, in bytes. */
export interface ArenaPart {
  readonly piece: number;
  readonly offset: number;
  readonly byteCount: number;
}

export interface StateArena {
  /** The smallest hole that is large enough loses so many bytes, rounded up; undefined where none is. O(holes). */
  take(byteCount: number): ArenaPart | undefined;
  give(part: ArenaPart): void;
  readonly freeBytes: number;
}

interface Hole {
  offset: number;
  byteCount: number;
}

/** Parts begin where pages do. */
const grainBytes = 4096;

/** Over pieces of so many bytes, each a multiple of 4 KiB. */
export function createStateArena(pieceBytes: readonly number[]): StateArena {
  /** Of each piece in order; no two of them touch. */
  const holes: Hole[][] = pieceBytes.map((byteCount) => {
    assert(byteCount > 0 && byteCount % grainBytes === 0, `a piece is whole pages. Given: ${byteCount} bytes`);
    return [{ offset: 0, byteCount }];
  });

  function smallest(byteCount: number): { readonly piece: number; readonly hole: Hole } | undefined {
    let best: { readonly piece: number; readonly hole: Hole } | undefined;
    for (const [piece, inPiece] of holes.entries()) {
      for (const hole of inPiece) {
        if (hole.byteCount < byteCount || hole.byteCount >= (best?.hole.byteCount ?? Number.POSITIVE_INFINITY))
          continue;
        best = { piece, hole };
      }
    }
    return best;
  }

  return {
    take(byteCount) {
      const wanted = Math.ceil(Math.max(byteCount, 1) / grainBytes) * grainBytes;
      const found = smallest(wanted);
      if (found === undefined) return undefined;
      const { piece, hole } = found;
      const { offset } = hole;
      hole.offset += wanted;
      hole.byteCount -= wanted;
      if (hole.byteCount === 0) holes[piece]?.splice(holes[piece].indexOf(hole), 1);
      return { piece, offset, byteCount: wanted };
    },
    give({ piece, offset, byteCount }) {
      const inPiece = holes[piece] ?? [];
      const at = inPiece.findIndex((hole) => hole.offset > offset);
      const index = at < 0 ? inPiece.length : at;
      const [before, after] = [inPiece[index - 1], inPiece[index]];
      const joinsBefore = before !== undefined && before.offset + before.byteCount === offset;
      const joinsAfter = after !== undefined && offset + byteCount === after.offset;
      const start = joinsBefore ? before.offset : offset;
      const end = joinsAfter ? after.offset + after.byteCount : offset + byteCount;
      const first = joinsBefore ? index - 1 : index;
      inPiece.splice(first, Number(joinsBefore) + Number(joinsAfter), { offset: start, byteCount: end - start });
    },
    get freeBytes() {
      return holes.flat().reduce((sum, { byteCount }) => sum + byteCount, 0);
    },
  };
}
