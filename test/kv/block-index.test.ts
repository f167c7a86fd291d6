// The hash index against a Map, with so few hashes that every entry collides.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { assert } from '../../src/assert.ts';
import {
  addToIndex,
  type BlockIndex,
  createBlockIndex,
  firstPlace,
  nextPlace,
  removeFromIndex,
} from '../../src/kv/block-index.ts';

describe('block index', () => {
  it('finds exactly what is in it under any additions and removals', () => {
    const hashes = fc.constantFrom(-1, 0, 1, 2, 15, 0x7fffffff, -0x80000000);
    const steps = fc.array(fc.tuple(fc.nat(15), hashes), { maxLength: 200, size: 'max' });
    fc.assert(
      fc.property(steps, (entries) => {
        const index = createBlockIndex(16);
        const expected = new Map<number, number>();
        for (const [block, hash] of entries) {
          if (expected.delete(block)) removeFromIndex(index, block);
          else {
            addToIndex(index, hash, block);
            expected.set(block, hash);
          }
          for (let other = 0; other < 16; other++) {
            const known = expected.get(other);
            assert(known === undefined || isFound(index, known, other), `block ${other} is found`);
          }
          assert(index.table.filter((place) => place !== -1).length === expected.size, 'nothing else is found');
        }
      }),
      { numRuns: 200 },
    );
  });

  it('refuses to remove what it does not have', () => {
    expect(() => removeFromIndex(createBlockIndex(4), 2)).toThrow('only a block of the index');
  });
});

function isFound(index: BlockIndex, hash: number, block: number): boolean {
  for (let place = firstPlace(index, hash); index.table[place] !== -1; place = nextPlace(index, place)) {
    if (index.table[place] === block) return true;
  }
  return false;
}
