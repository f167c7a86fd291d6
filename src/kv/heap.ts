// Indexed binary heap over typed arrays: the smallest key on top, any member removable in O(log n).
// Why typed arrays: a million evictable blocks must cost bytes, not objects, and leaving the middle (a cached
// prefix is used again) is as common as leaving the top (it is evicted).

import { assert } from '../assert.ts';
import { at, atFloat, none } from './typed-array.ts';

/** Members are integers in [0, capacity); each is in the heap at most once. */
export interface IndexedHeap {
  /** Member at each place of the heap; the first `size` count. Shape (capacity,). */
  readonly members: Int32Array;
  /** Place of each member, or none. Shape (capacity,). */
  readonly places: Int32Array;
  /** Key of each member. Shape (capacity,). */
  readonly keys: Float64Array;
  size: number;
}

/** An empty heap for members in [0, capacity). */
export function createIndexedHeap(capacity: number): IndexedHeap {
  return {
    members: new Int32Array(capacity).fill(none),
    places: new Int32Array(capacity).fill(none),
    keys: new Float64Array(capacity),
    size: 0,
  };
}

export function isInHeap(heap: IndexedHeap, member: number): boolean {
  return at(heap.places, member) !== none;
}

/** The member with the smallest key, the smallest member among equals; undefined when empty. */
export function smallest(heap: IndexedHeap): number | undefined {
  return heap.size === 0 ? undefined : at(heap.members, 0);
}

/** Adds a member that is not in the heap. O(log n). */
export function addToHeap(heap: IndexedHeap, member: number, key: number): void {
  assert(!isInHeap(heap, member), 'a member is in the heap at most once');
  heap.keys[member] = key;
  heap.size += 1;
  siftUp(heap, heap.size - 1, member);
}

/** Removes a member that is in the heap. O(log n). */
export function removeFromHeap(heap: IndexedHeap, member: number): void {
  const place = at(heap.places, member);
  assert(place !== none, 'only a member of the heap is removed');
  heap.places[member] = none;
  heap.size -= 1;
  const last = at(heap.members, heap.size);
  if (last === member) return;
  if (siftUp(heap, place, last) === place) siftDown(heap, place, last);
}

/** The first law that does not hold, or undefined. O(n). */
export function heapFault(heap: IndexedHeap): string | undefined {
  for (let place = 0; place < heap.size; place++) {
    const member = at(heap.members, place);
    if (at(heap.places, member) !== place) return `heap member ${member} is not at its place ${place}`;
    if (place > 0 && before(heap, member, at(heap.members, (place - 1) >> 1))) {
      return `heap order is broken at place ${place}`;
    }
  }
  return undefined;
}

function before(heap: IndexedHeap, a: number, b: number): boolean {
  const keyA = atFloat(heap.keys, a);
  const keyB = atFloat(heap.keys, b);
  return keyA < keyB || (keyA === keyB && a < b);
}

function put(heap: IndexedHeap, member: number, place: number): void {
  heap.members[place] = member;
  heap.places[member] = place;
}

/** Puts `member` at `from` or above; answers where. */
function siftUp(heap: IndexedHeap, from: number, member: number): number {
  let place = from;
  while (place > 0) {
    const parentPlace = (place - 1) >> 1;
    const parent = at(heap.members, parentPlace);
    if (!before(heap, member, parent)) break;
    put(heap, parent, place);
    place = parentPlace;
  }
  put(heap, member, place);
  return place;
}

function siftDown(heap: IndexedHeap, from: number, member: number): void {
  const { members, size } = heap;
  let place = from;
  for (;;) {
    let childPlace = 2 * place + 1;
    if (childPlace >= size) break;
    if (childPlace + 1 < size && before(heap, at(members, childPlace + 1), at(members, childPlace))) childPlace += 1;
    const child = at(members, childPlace);
    if (!before(heap, child, member)) break;
    put(heap, child, place);
    place = childPlace;
  }
  put(heap, member, place);
}
