// Memory of states that is written to again: never two states in one, never more spare than allowed.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createStateBuffers } from '../../src/llama/state-buffers.ts';

test('a view has its own memory for as long as it is not given back', () => {
  const sizes = fc.integer({ min: 0, max: 5000 });
  fc.assert(
    fc.property(fc.nat(20_000), fc.array(fc.tuple(sizes, fc.nat(9)), { maxLength: 60 }), (spareBytesMax, script) => {
      const buffers = createStateBuffers(spareBytesMax);
      const held: { readonly bytes: Uint8Array; readonly mark: number }[] = [];
      script.forEach(([size, choice], index) => {
        const given = choice < 5 ? held.splice(choice, 1)[0] : undefined;
        if (given !== undefined) {
          buffers.give(given.bytes);
          expect(given.bytes.length).toBe(0);
        }
        const bytes = buffers.take(size);
        expect(bytes.length).toBe(size);
        expect(bytes.buffer.byteLength).toBeLessThanOrEqual(Math.max(1.25 * size, size + 1));
        bytes.fill(index);
        held.push({ bytes, mark: index });
      });
      for (const { bytes, mark } of held) expect(bytes.every((byte) => byte === mark)).toBe(true);
    }),
    { numRuns: 100 },
  );
});

/** What is left in memory that was filled with ones. */
const isUsedAgain = (bytes: Uint8Array) => bytes.every((byte) => byte === 1);

test('what was given back is written to again, by what is about as large', () => {
  const buffers = createStateBuffers(10_000);
  const giveBack = (size: number) => buffers.give(buffers.take(size).fill(1));
  giveBack(4000);
  expect(isUsedAgain(buffers.take(2000))).toBe(false);
  expect(isUsedAgain(buffers.take(3900))).toBe(true);
  expect(isUsedAgain(buffers.take(3900))).toBe(false);
  giveBack(3000);
  // A little more, as the next turn of a conversation is.
  expect(isUsedAgain(buffers.take(3050).subarray(0, 3000))).toBe(true);
});

test('spare memory is bounded: what was given back first goes, and what is too large at once', () => {
  const buffers = createStateBuffers(10_000);
  const views = [1024, 2048, 8192].map((size) => buffers.take(size).fill(1));
  for (const view of views) buffers.give(view);
  buffers.give(buffers.take(16_384).fill(1));
  expect([1024, 2048, 8192, 16_384].map((size) => isUsedAgain(buffers.take(size)))).toEqual([
    false,
    false,
    true,
    false,
  ]);
  const none = createStateBuffers(0);
  none.give(none.take(100).fill(1));
  expect(isUsedAgain(none.take(100))).toBe(false);
});
