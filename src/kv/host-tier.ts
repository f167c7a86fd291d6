// Host memory for parked sequences, and for prefixes: who has reserved how many bytes, never more than the limit.
// Why accounting only: the bytes are the engine's; here is decided whether they may be there. Which go first is the caller's
// choice, who alone knows what must be computed again then.

import { assert } from '../assert.ts';

export interface HostTier<Id> {
  readonly bytesMax: number;
  bytesUsed: number;
  /** Bytes of each entry, oldest first. */
  readonly entries: Map<Id, number>;
}

/** An empty tier. Throws a RangeError when the limit is not an integer >= 0. */
export function createHostTier<Id>(bytesMax: number): HostTier<Id> {
  if (!Number.isSafeInteger(bytesMax) || bytesMax < 0) {
    throw new RangeError(`bytes of host memory must be an integer >= 0. Given: ${bytesMax}`);
  }
  return { bytesMax, bytesUsed: 0, entries: new Map() };
}

/** Takes `bytes` for an id that has none; false when they do not fit (nothing changed). O(1). */
export function reserveHostBytes<Id>(tier: HostTier<Id>, id: Id, bytes: number): boolean {
  assert(Number.isSafeInteger(bytes) && bytes >= 0, 'bytes are a count');
  assert(!tier.entries.has(id), 'an id reserves once');
  if (tier.bytesUsed + bytes > tier.bytesMax) return false;
  tier.entries.set(id, bytes);
  tier.bytesUsed += bytes;
  return true;
}

/** Gives an id's bytes back; answers how many there were, 0 for an id without any. O(1). */
export function releaseHostBytes<Id>(tier: HostTier<Id>, id: Id): number {
  const bytes = tier.entries.get(id) ?? 0;
  tier.entries.delete(id);
  tier.bytesUsed -= bytes;
  return bytes;
}
