// A binary heap of objects that can also remove any member in O(log n).
// Why not a sorted array: 10,000 requests may wait, and cancelling one must not shift the rest.

/** A member carries its own place, so that `remove` needs no search. */
export interface HeapMember {
  /** Index in the heap, or -1 outside of it. Written by the heap alone. */
  heapIndex: number;
}

export interface OrderedHeap<T extends HeapMember> {
  readonly size: number;
  peek(): T | undefined;
  pop(): T | undefined;
  push(member: T): void;
  /** Removes `member` if it is in the heap. */
  remove(member: T): void;
  /** Restores order after `member`'s key changed. */
  update(member: T): void;
  /** Members in no particular order. */
  members(): readonly T[];
}

/** A heap whose smallest member (by `before`) is on top. Every operation is O(log n). */
export function createOrderedHeap<T extends HeapMember>(before: (a: T, b: T) => boolean): OrderedHeap<T> {
  const items: T[] = [];

  function place(member: T, index: number): void {
    items[index] = member;
    member.heapIndex = index;
  }

  function siftUp(start: number): void {
    let index = start;
    const member = items[index];
    if (member === undefined) return;
    while (index > 0) {
      const parentIndex = (index - 1) >> 1;
      const parent = items[parentIndex];
      if (parent === undefined || !before(member, parent)) break;
      place(parent, index);
      index = parentIndex;
    }
    place(member, index);
  }

  function siftDown(start: number): void {
    let index = start;
    const member = items[index];
    if (member === undefined) return;
    for (;;) {
      const left = items[2 * index + 1];
      if (left === undefined) break;
      const right = items[2 * index + 2];
      const childIndex = right !== undefined && before(right, left) ? 2 * index + 2 : 2 * index + 1;
      const child = childIndex === 2 * index + 1 ? left : right;
      if (child === undefined || !before(child, member)) break;
      place(child, index);
      index = childIndex;
    }
    place(member, index);
  }

  function remove(member: T): void {
    const index = member.heapIndex;
    if (index < 0 || items[index] !== member) return;
    member.heapIndex = -1;
    const last = items.pop();
    if (last === undefined || last === member) return;
    place(last, index);
    siftUp(index);
    siftDown(last.heapIndex);
  }

  return {
    get size() {
      return items.length;
    },
    peek: () => items[0],
    pop() {
      const top = items[0];
      if (top !== undefined) remove(top);
      return top;
    },
    push(member) {
      place(member, items.length);
      siftUp(member.heapIndex);
    },
    remove,
    update(member) {
      if (member.heapIndex < 0) return;
      siftUp(member.heapIndex);
      siftDown(member.heapIndex);
    },
    members: () => items,
  };
}
