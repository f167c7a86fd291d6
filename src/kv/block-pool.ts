// The pool of blocks: which are free, and how many references each other one has.
// Why a stack of free ids: taking and giving back are O(1), and a block just freed is warm in every other array.
// A reference is either a lease that lists the block or the prefix tree; who counts is the caller's business.

import { assert } from '../assert.ts';
import { positiveInteger } from './sizes.ts';
import { at } from './typed-array.ts';

export interface BlockPool {
  readonly blockCount: number;
  readonly freeCount: number;
  /** A free block, now with one reference. There must be one. */
  take(): number;
  /** One reference more; answers the new count. The block must not be free. */
  hold(block: number): number;
  /** One reference less; answers the new count. At 0 the block is free. */
  release(block: number): number;
  refCount(block: number): number;
}

/** A pool with every block free. Throws a RangeError when `blockCount` is not a positive integer. */
export function createBlockPool(blockCount: number): BlockPool {
  positiveInteger('block count', blockCount);
  /** Shape (blockCount,). */
  const refCounts = new Int32Array(blockCount);
  /** Shape (blockCount,): the first `freeCount` are free; the last of them goes first. */
  const freeBlocks = Int32Array.from({ length: blockCount }, (_, index) => blockCount - 1 - index);
  let freeCount = blockCount;

  return {
    blockCount,
    get freeCount() {
      return freeCount;
    },
    take() {
      assert(freeCount > 0, 'there is a free block to take');
      freeCount -= 1;
      const block = at(freeBlocks, freeCount);
      refCounts[block] = 1;
      return block;
    },
    hold(block) {
      const count = at(refCounts, block) + 1;
      assert(count > 1, 'a free block is taken, not held');
      refCounts[block] = count;
      return count;
    },
    release(block) {
      const count = at(refCounts, block) - 1;
      assert(count >= 0, 'a block is released as often as it was held');
      refCounts[block] = count;
      if (count === 0) {
        freeBlocks[freeCount] = block;
        freeCount += 1;
      }
      return count;
    },
    refCount: (block) => at(refCounts, block),
  };
}
