import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createOrderedHeap, type HeapMember } from '../../src/scheduler/ordered-heap.ts';

interface Item extends HeapMember {
  key: number;
}

describe('ordered heap', () => {
  it('pops in order after any mix of pushes, removals and changed keys', () => {
    const command = fc.oneof(
      fc.record({ kind: fc.constant('push' as const), key: fc.integer({ min: 0, max: 50 }) }),
      fc.record({ kind: fc.constant('remove' as const), at: fc.nat(40) }),
      fc.record({ kind: fc.constant('update' as const), at: fc.nat(40), key: fc.integer({ min: 0, max: 50 }) }),
      fc.record({ kind: fc.constant('pop' as const) }),
    );
    fc.assert(
      fc.property(fc.array(command, { maxLength: 60 }), (commands) => {
        const heap = createOrderedHeap<Item>((a, b) => a.key < b.key);
        const inside: Item[] = [];
        for (const step of commands) {
          if (step.kind === 'push') {
            const item = { key: step.key, heapIndex: -1 };
            heap.push(item);
            inside.push(item);
          } else if (step.kind === 'pop') {
            const least = Math.min(...inside.map((item) => item.key));
            const popped = heap.pop();
            if (popped === undefined) expect(inside).toHaveLength(0);
            else {
              expect(popped.key).toBe(least);
              inside.splice(inside.indexOf(popped), 1);
            }
          } else {
            const item = inside[step.at % Math.max(inside.length, 1)];
            if (item === undefined) continue;
            if (step.kind === 'remove') {
              heap.remove(item);
              inside.splice(inside.indexOf(item), 1);
              expect(item.heapIndex).toBe(-1);
            } else {
              item.key = step.key;
              heap.update(item);
            }
          }
          expect(heap.size).toBe(inside.length);
          expect(heap.peek()?.key).toBe(inside.length === 0 ? undefined : Math.min(...inside.map((item) => item.key)));
        }
      }),
      { numRuns: 300 },
    );
  });

  it('ignores the removal of a stranger', () => {
    const heap = createOrderedHeap<Item>((a, b) => a.key < b.key);
    heap.push({ key: 1, heapIndex: -1 });
    heap.remove({ key: 1, heapIndex: 0 });
    expect(heap.size).toBe(1);
  });
});
