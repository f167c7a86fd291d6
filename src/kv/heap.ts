// Indexed binary heap over typed arrays: the smallest key on top, any member removable in O(log n).
// Why typed arrays: a million evictable blocks must cost bytes, not objects, and leaving the middle (a cached
// prefix is used again) is as common as leaving the top (it is evicted).

import { assert } from '../assert.ts';
import { at, atFloat, none } from './typed-array.ts';

/** Items are integers in [0, capacity); each is in the heap at most once. */
export interface IndexedHeap {
  readonly size: number;
  has(item: number): boolean;
  /** The item with the smallest key, the smallest item among equals; undefined when empty. */
  peek(): number | undefined;
  /** Adds an item that is not in the heap. O(log n). */
  push(item: number, key: number): void;
  /** Removes an item that is in the heap. O(log n). */
  remove(item: number): void;
  /** The first law that does not hold, or undefined. O(n). */
  fault(): string | undefined;
}

/** An empty heap for items in [0, capacity). */
export function createIndexedHeap(capacity: number): IndexedHeap {
  /** Shape (capacity,): item at each place of the heap. */
  const items = new Int32Array(capacity).fill(none);
  /** Shape (capacity,): place of each item, or none. */
  const places = new Int32Array(capacity).fill(none);
  /** Shape (capacity,): key of each item. */
  const keys = new Float64Array(capacity);
  let size = 0;

  function before(a: number, b: number): boolean {
    const keyA = atFloat(keys, a);
    const keyB = atFloat(keys, b);
    return keyA < keyB || (keyA === keyB && a < b);
  }

  function put(item: number, place: number): void {
    items[place] = item;
    places[item] = place;
  }

  function siftUp(start: number, item: number): number {
    let place = start;
    while (place > 0) {
      const parentPlace = (place - 1) >> 1;
      const parent = at(items, parentPlace);
      if (!before(item, parent)) break;
      put(parent, place);
      place = parentPlace;
    }
    put(item, place);
    return place;
  }

  function siftDown(start: number, item: number): void {
    let place = start;
    for (;;) {
      let childPlace = 2 * place + 1;
      if (childPlace >= size) break;
      if (childPlace + 1 < size && before(at(items, childPlace + 1), at(items, childPlace))) childPlace += 1;
      const child = at(items, childPlace);
      if (!before(child, item)) break;
      put(child, place);
      place = childPlace;
    }
    put(item, place);
  }

  return {
    get size() {
      return size;
    },
    has: (item) => at(places, item) !== none,
    peek: () => (size === 0 ? undefined : at(items, 0)),
    push(item, key) {
      assert(at(places, item) === none, 'an item is in the heap at most once');
      keys[item] = key;
      size += 1;
      siftUp(size - 1, item);
    },
    remove(item) {
      const place = at(places, item);
      assert(place !== none, 'only an item of the heap is removed');
      places[item] = none;
      size -= 1;
      const last = at(items, size);
      if (last === item) return;
      if (siftUp(place, last) === place) siftDown(place, last);
    },
    fault() {
      for (let place = 1; place < size; place++) {
        if (before(at(items, place), at(items, (place - 1) >> 1))) return `heap order is broken at place ${place}`;
        if (at(places, at(items, place)) !== place) return `heap place ${place} is not the place of its item`;
      }
      return undefined;
    },
  };
}
