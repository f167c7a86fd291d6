// Host memory for parked sequences, and for prefixes.

import fc from 'fast-check';
import { expect, it } from 'vitest';
import { createHostTier, releaseHostBytes, reserveHostBytes } from '../../src/kv/host-tier.ts';

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

it('counts what it holds, oldest first', () => {
  const amounts = fc.array(fc.nat(50), { maxLength: 40 });
  fc.assert(
    fc.property(amounts, fc.nat(120), (given, limit) => {
      const tier = createHostTier<number>(limit);
      for (const [id, bytes] of given.entries()) {
        const fits = tier.bytesUsed + bytes <= limit;
        expect(reserveHostBytes(tier, id, bytes)).toBe(fits);
        const [oldest] = tier.entries.keys();
        if (!fits && oldest !== undefined) expect(releaseHostBytes(tier, oldest)).toBe(given[oldest]);
        expect(tier.bytesUsed).toBe([...tier.entries.values()].reduce((sum, held) => sum + held, 0));
        expect([...tier.entries.keys()]).toEqual([...tier.entries.keys()].sort((a, b) => a - b));
      }
    }),
    { numRuns: 100 },
  );
});

it('refuses what would break its count', () => {
  expect(() => createHostTier(-1)).toThrow('must be an integer >= 0. Given: -1');
  const tier = createHostTier<number>(10);
  reserveHostBytes(tier, 1, 1);
  expect(() => reserveHostBytes(tier, 1, 1)).toThrow('an id reserves once');
  expect(() => reserveHostBytes(tier, 2, -1)).toThrow('bytes are a count');
});
