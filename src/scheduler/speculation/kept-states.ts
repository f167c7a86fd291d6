// The newest hidden states of one sequence, in a ring: those of positions [from, to), one for each token that was computed.
// Why in host memory and not in the head's cache at once: as long as guesses do not pay, nobody reads them, and a copy of a row is
// all that they cost.

import { assert } from '../../assert.ts';

export interface KeptStates {
  from(): number;
  to(): number;
  /** Shape (width,); of a position in [from, to). */
  at(position: number): Float32Array;
  /** Takes a copy. Of positions that are or were held nothing is taken; after a gap it begins anew. */
  add(position: number, state: Float32Array): void;
}

export function createKeptStates({
  countMax,
  width,
}: {
  readonly countMax: number;
  readonly width: number;
}): KeptStates {
  let values = new Float32Array(0);
  let from = 0;
  let to = 0;

  /** Room is taken as it is needed: many answers are shorter than the ring. */
  function makeRoom(): void {
    const capacity = values.length / width;
    if (to - from < capacity || capacity === countMax) return;
    const grown = new Float32Array(Math.min(Math.max(2 * capacity, 8), countMax) * width);
    const grownCapacity = grown.length / width;
    for (let position = from; position < to; position++)
      grown.set(stateAt(position), (position % grownCapacity) * width);
    values = grown;
  }

  function stateAt(position: number): Float32Array {
    const place = position % (values.length / width);
    return values.subarray(place * width, (place + 1) * width);
  }

  return {
    from: () => from,
    to: () => to,
    at(position) {
      assert(
        position >= from && position < to,
        `states of positions ${from} to ${to} are kept. Asked for: ${position}`,
      );
      return stateAt(position);
    },
    add(position, state) {
      if (position < to) return;
      if (position > to) from = position;
      to = position;
      makeRoom();
      if (to - from === countMax) from += 1;
      to += 1;
      stateAt(position).set(state);
    },
  };
}
