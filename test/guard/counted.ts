// Counts how often objects and ports are looked at, from outside: the code that is counted does not know.

/** Turns an object's own fields into accessors that count each reading. The object stays itself: whoever holds it sees no change. */
export function countReads(target: object, onRead: (field: string) => void): void {
  for (const [field, initial] of Object.entries(target)) {
    let value: unknown = initial;
    Object.defineProperty(target, field, {
      configurable: true,
      enumerable: true,
      get: () => {
        onRead(field);
        return value;
      },
      set: (next: unknown) => {
        value = next;
      },
    });
  }
}

/** The same port, whose calls are counted by name. */
export function countCalls<T extends object>(port: T, counts: Map<string, number>): T {
  return new Proxy(port, {
    get(target, name, receiver) {
      const member: unknown = Reflect.get(target, name, receiver);
      if (typeof member !== 'function') return member;
      return (...given: unknown[]): unknown => {
        counts.set(String(name), (counts.get(String(name)) ?? 0) + 1);
        return Reflect.apply(member, target, given);
      };
    },
  });
}
