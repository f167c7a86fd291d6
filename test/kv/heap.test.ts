// The indexed heap against sorting.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addToHeap, createIndexedHeap, heapFault, isInHeap, removeFromHeap, smallest } from '../../src/kv/heap.ts';

describe('indexed heap', () => {
  it('gives members by key, then by number', () => {
    const heap = createIndexedHeap(5);
    for (const [member, key] of [
      [3, 2],
      [4, 1],
      [0, 2],
      [1, 0],
    ] as const) {
      addToHeap(heap, member, key);
    }
    expect(drain(heap)).toEqual([1, 4, 0, 3]);
    expect(smallest(heap)).toBeUndefined();
  });

  it('is a sorted set under any additions and removals', () => {
    const steps = fc.array(fc.tuple(fc.nat(30), fc.integer({ min: 0, max: 8 })), { maxLength: 200, size: 'max' });
    fc.assert(
      fc.property(steps, (members) => {
        const heap = createIndexedHeap(31);
        const expected = new Map<number, number>();
        for (const [member, key] of members) {
          expect(isInHeap(heap, member)).toBe(expected.has(member));
          if (expected.delete(member)) {
            removeFromHeap(heap, member);
          } else {
            addToHeap(heap, member, key);
            expected.set(member, key);
          }
          expect(heapFault(heap)).toBeUndefined();
          expect(heap.size).toBe(expected.size);
        }
        const sorted = [...expected].sort(([a, keyA], [b, keyB]) => keyA - keyB || a - b);
        expect(drain(heap)).toEqual(sorted.map(([member]) => member));
      }),
      { numRuns: 200 },
    );
  });

  it('refuses what would break it', () => {
    const heap = createIndexedHeap(2);
    addToHeap(heap, 0, 1);
    expect(() => addToHeap(heap, 0, 2)).toThrow('at most once');
    expect(() => removeFromHeap(heap, 1)).toThrow('only a member');
    expect(() => addToHeap(heap, 2, 1)).toThrow('index must be < 2. Given: 2');
  });
});

function drain(heap: ReturnType<typeof createIndexedHeap>): number[] {
  const drained: number[] = [];
  for (let member = smallest(heap); member !== undefined; member = smallest(heap)) {
    removeFromHeap(heap, member);
    drained.push(member);
  }
  return drained;
}
