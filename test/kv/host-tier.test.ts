// Host memory for parked sequences.

import fc from 'fast-check';
import { expect, it } from 'vitest';
import { createHostTier, oldestToDrop, releaseHostBytes, reserveHostBytes } from '../../src/kv/host-tier.ts';

it('never holds more than its limit', () => {
  const tier = createHostTier<string>(100);
  expect(reserveHostBytes(tier, 'a', 60)).toBe(true);
  expect(reserveHostBytes(tier, 'b', 41)).toBe(false);
  expect(reserveHostBytes(tier, 'b', 40)).toBe(true);
  expect(tier.bytesUsed).toBe(100);
  expect(releaseHostBytes(tier, 'a')).toBe(60);
  expect(releaseHostBytes(tier, 'a')).toBe(0);
  expect(tier.bytesUsed).toBe(40);
});

it('names the oldest to drop, as few as make room', () => {
  const tier = createHostTier<number>(100);
  for (const id of [1, 2, 3, 4]) reserveHostBytes(tier, id, 25);
  expect(oldestToDrop(tier, 0)).toEqual([]);
  expect(oldestToDrop(tier, 25)).toEqual([1]);
  expect(oldestToDrop(tier, 26)).toEqual([1, 2]);
  expect(oldestToDrop(tier, 100)).toEqual([1, 2, 3, 4]);
  expect(oldestToDrop(tier, 101)).toBeUndefined();
  releaseHostBytes(tier, 1);
  reserveHostBytes(tier, 1, 25);
  expect(oldestToDrop(tier, 10)).toEqual([2]);
});

it('dropping what it names always makes room', () => {
  const amounts = fc.array(fc.nat(50), { maxLength: 40 });
  fc.assert(
    fc.property(amounts, fc.nat(120), (parked, limit) => {
      const tier = createHostTier<number>(limit);
      for (const [id, bytes] of parked.entries()) {
        const dropped = oldestToDrop(tier, bytes);
        for (const old of dropped ?? []) releaseHostBytes(tier, old);
        expect(reserveHostBytes(tier, id, bytes)).toBe(dropped !== undefined);
        expect(dropped !== undefined).toBe(bytes <= limit);
        expect(tier.bytesUsed).toBe([...tier.entries.values()].reduce((sum, held) => sum + held, 0));
      }
    }),
    { numRuns: 300 },
  );
});

it('refuses what would break its count', () => {
  expect(() => createHostTier(-1)).toThrow('must be an integer >= 0. Given: -1');
  const tier = createHostTier<number>(10);
  reserveHostBytes(tier, 1, 1);
  expect(() => reserveHostBytes(tier, 1, 1)).toThrow('an id reserves once');
  expect(() => reserveHostBytes(tier, 2, -1)).toThrow('bytes are a count');
});
