// Finds a block by its hash: open addressing, linear probing, deletion by backward shift.
// Why not a Map: it would need a key object per block; here a million blocks cost 12 MB and nothing for the collector.
// Why backward shift: no tombstones, so lookups stay short however often blocks come and go.
// Source: Knuth, The Art of Computer Programming, volume 3, section 6.4, algorithm R.

import { assert } from '../assert.ts';
import { at, none } from './typed-array.ts';

export interface BlockIndex {
  /** The first block with this hash for which `matches` holds, or undefined. O(1) expected. */
  find(hash: number, matches: (block: number) => boolean): number | undefined;
  /** Enters a block that is not in the index. */
  insert(hash: number, block: number): void;
  /** Removes a block that is in the index. */
  remove(block: number): void;
}

/** An empty index for blocks in [0, blockCount). Hashes are 32-bit integers, signed or not. */
export function createBlockIndex(blockCount: number): BlockIndex {
  const size = 2 ** Math.ceil(Math.log2(2 * blockCount));
  const mask = size - 1;
  /** Shape (size,): a block or none. At most half full. */
  const table = new Int32Array(size).fill(none);
  /** Shape (blockCount,): hash of each block in the index. */
  const hashes = new Int32Array(blockCount);

  return {
    find(hash, matches) {
      const wanted = hash | 0;
      for (let place = wanted & mask; ; place = (place + 1) & mask) {
        const block = at(table, place);
        if (block === none) return undefined;
        if (at(hashes, block) === wanted && matches(block)) return block;
      }
    },
    insert(hash, block) {
      hashes[block] = hash | 0;
      let place = hash & mask;
      while (at(table, place) !== none) place = (place + 1) & mask;
      table[place] = block;
    },
    remove(block) {
      let hole = at(hashes, block) & mask;
      while (at(table, hole) !== block) {
        assert(at(table, hole) !== none, 'only a block of the index is removed');
        hole = (hole + 1) & mask;
      }
      for (let place = (hole + 1) & mask; at(table, place) !== none; place = (place + 1) & mask) {
        const home = at(hashes, at(table, place)) & mask;
        // The entry may fill the hole unless its home lies after the hole, cyclically in (hole, place].
        if (((place - home) & mask) < ((place - hole) & mask)) continue;
        table[hole] = at(table, place);
        hole = place;
      }
      table[hole] = none;
    },
  };
}
