// Namespaces of prefixes: text (adapter and salt) to a small number, for as long as a block lives in it.
// Why counted: salts come from clients and are unbounded in number; a map that only grows would be a leak.

import { assert, must } from '../assert.ts';

export interface Namespaces {
  /** Namespaces in use. */
  readonly count: number;
  /** The number of a namespace in use, or undefined. */
  find(name: string): number | undefined;
  /** The name of a number in use. */
  nameOf(id: number): string;
  /** One use more; answers the namespace's number. */
  hold(name: string): number;
  /** One use less; with the last the namespace is forgotten and its number may be given to another. */
  release(id: number): void;
}

/** A register with no namespace in use. */
export function createNamespaces(): Namespaces {
  const ids = new Map<string, number>();
  const names: string[] = [];
  const useCounts: number[] = [];
  const freeIds: number[] = [];

  return {
    get count() {
      return ids.size;
    },
    find: (name) => ids.get(name),
    nameOf: (id) => must(names[id], 'a namespace in use has a name'),
    hold(name) {
      const known = ids.get(name);
      const id = known ?? freeIds.pop() ?? names.length;
      if (known === undefined) {
        ids.set(name, id);
        names[id] = name;
        useCounts[id] = 0;
      }
      useCounts[id] = must(useCounts[id], 'a namespace in use is counted') + 1;
      return id;
    },
    release(id) {
      const count = must(useCounts[id], 'a namespace in use is counted') - 1;
      assert(count >= 0, 'a namespace is released as often as it was held');
      useCounts[id] = count;
      if (count > 0) return;
      ids.delete(must(names[id], 'a namespace in use has a name'));
      names[id] = '';
      freeIds.push(id);
    },
  };
}
