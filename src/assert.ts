// Assertions for bugs. An expected failure is a value from errors.ts, never one of these.

/** Throws when `condition` is false: a bug in Octet, not a fault of the caller's input. */
export function assert(condition: boolean, mustHold: string): asserts condition {
  if (!condition) throw new Error(`assertion failed: ${mustHold}`);
}

/** Returns `value`, or throws when it is undefined: for lookups that cannot miss unless there is a bug. */
export function must<T>(value: T | undefined, mustHold: string): T {
  if (value === undefined) throw new Error(`assertion failed: ${mustHold}`);
  return value;
}

/** The end of every switch over a union: does not compile when a case is missing. */
export function assertNever(value: never): never {
  throw new Error(`unreachable: ${JSON.stringify(value)}`);
}
