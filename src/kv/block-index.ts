// Finds a block by its hash: open addressing, linear probing, deletion by backward shift.
// Why not a Map: it would need a key object per block; here a million blocks cost 12 MB and nothing for the collector.
// Why backward shift: no tombstones, so lookups stay short however often blocks come and go.
// Source: Knuth, The Art of Computer Programming, volume 3, section 6.4, algorithm R.

import { assert } from '../assert.ts';
import { at, none } from './typed-array.ts';

export interface BlockIndex {
  /** Places in the table minus one; their number is a power of two. */
  readonly mask: number;
  /** Shape (mask + 1,): a block or none. At most half full. */
  readonly table: Int32Array;
  /** Hash of each block in the index. Shape (blockCount,). */
  readonly hashes: Int32Array;
}

/** An empty index for blocks in [0, blockCount). */
export function createBlockIndex(blockCount: number): BlockIndex {
  const size = 2 ** Math.ceil(Math.log2(2 * blockCount));
  return { mask: size - 1, table: new Int32Array(size).fill(none), hashes: new Int32Array(blockCount) };
}

/** The place where the search for a hash begins; it goes on with `nextPlace` until the table has none there. */
export function firstPlace(index: BlockIndex, hash: number): number {
  return hash & index.mask;
}

export function nextPlace(index: BlockIndex, place: number): number {
  return (place + 1) & index.mask;
}

/** Enters a block that is not in the index, under a signed 32-bit hash. O(1) expected. */
export function addToIndex(index: BlockIndex, hash: number, block: number): void {
  index.hashes[block] = hash;
  let place = firstPlace(index, hash);
  while (at(index.table, place) !== none) place = nextPlace(index, place);
  index.table[place] = block;
}

/** Removes a block that is in the index. O(1) expected. */
export function removeFromIndex(index: BlockIndex, block: number): void {
  const { table, hashes, mask } = index;
  let hole = firstPlace(index, at(hashes, block));
  while (at(table, hole) !== block) {
    assert(at(table, hole) !== none, 'only a block of the index is removed');
    hole = nextPlace(index, hole);
  }
  for (let place = nextPlace(index, hole); at(table, place) !== none; place = nextPlace(index, place)) {
    const home = firstPlace(index, at(hashes, at(table, place)));
    // The entry may fill the hole unless its home lies after the hole, cyclically in (hole, place].
    if (((place - home) & mask) < ((place - hole) & mask)) continue;
    table[hole] = at(table, place);
    hole = place;
  }
  table[hole] = none;
}
