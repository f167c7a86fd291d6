// Memory of states that is written to again: never two states in one, never more spare than allowed.

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { expect, test, vi } from 'vitest';
import { allocatePlain } from '../../src/llama/host-memory.ts';
import { createStateBuffers, type StateBuffers, type StateBytes } from '../../src/llama/state-buffers.ts';

test('a view has its own memory for as long as it is not given back', () => {
  const sizes = fc.integer({ min: 0, max: 5000 });
  fc.assert(
    fc.property(fc.nat(20_000), fc.array(fc.tuple(sizes, fc.nat(9)), { maxLength: 60 }), (spareBytesMax, script) => {
      const buffers = createStateBuffers(spareBytesMax);
      const held: { readonly state: StateBytes; readonly mark: number }[] = [];
      script.forEach(([size, choice], index) => {
        const given = choice < 5 ? held.splice(choice, 1)[0] : undefined;
        if (given !== undefined) {
          buffers.give(given.state);
          expect(given.state.bytes.length).toBe(0);
          // A second time it is nobody's.
          buffers.give(given.state);
        }
        const state = buffers.take(size);
        expect(state.bytes.length).toBe(size);
        expect(state.bytes.buffer.byteLength).toBeLessThanOrEqual(Math.max(1.25 * size, size + 1));
        state.bytes.fill(index);
        held.push({ state, mark: index });
      });
      for (const { state, mark } of held) expect(state.bytes.every((byte) => byte === mark)).toBe(true);
    }),
    { numRuns: 100 },
  );
});

/** What is left in memory that was filled with ones. */
const isUsedAgain = ({ bytes }: StateBytes, count = bytes.length) =>
  bytes.subarray(0, count).every((byte) => byte === 1);

function filled(buffers: StateBuffers, size: number): StateBytes {
  const state = buffers.take(size);
  state.bytes.fill(1);
  return state;
}

test('what was given back is written to again, by what is about as large', () => {
  const buffers = createStateBuffers(10_000);
  const giveBack = (size: number) => buffers.give(filled(buffers, size));
  giveBack(4000);
  expect(isUsedAgain(buffers.take(2000))).toBe(false);
  expect(isUsedAgain(buffers.take(3900))).toBe(true);
  expect(isUsedAgain(buffers.take(3900))).toBe(false);
  giveBack(3000);
  // A little more, as the next turn of a conversation is.
  expect(isUsedAgain(buffers.take(3050), 3000)).toBe(true);
});

test('spare memory is bounded: what was given back first goes, and what is too large at once', () => {
  const buffers = createStateBuffers(10_000);
  const states = [1024, 2048, 8192].map((size) => filled(buffers, size));
  for (const state of states) buffers.give(state);
  buffers.give(filled(buffers, 16_384));
  expect([1024, 2048, 8192, 16_384].map((size) => isUsedAgain(buffers.take(size)))).toEqual([
    false,
    false,
    true,
    false,
  ]);
  const none = createStateBuffers(0);
  none.give(filled(none, 100));
  expect(isUsedAgain(none.take(100))).toBe(false);
});

test('memory outside the heap is freed once: what is too much at once, what is spare with the buffers', () => {
  const live = new Set<number>();
  let count = 0;
  const buffers = createStateBuffers(10_000, (byteCount) => {
    const memory = allocatePlain(byteCount);
    const id = count++;
    live.add(id);
    return {
      ...memory,
      free() {
        expect(live.delete(id)).toBe(true);
        memory.free();
      },
    };
  });
  const states = [4000, 5000, 3000, 20_000].map((size) => filled(buffers, size));
  for (const state of states) buffers.give(state);
  // 20,000 are too many by themselves, and the first goes for the third.
  expect([...live]).toEqual([1, 2]);
  const again = filled(buffers, 3000);
  expect(count).toBe(4);
  buffers.dispose();
  expect([...live]).toEqual([2]);
  expect(isUsedAgain(again)).toBe(true);
});

function sweep(): void {
  setFlagsFromString('--expose-gc');
  runInNewContext('gc')();
}

test('memory of a state that was lost is freed when the heap is swept', async () => {
  let freed = 0;
  const buffers = createStateBuffers(10_000, (byteCount) => ({
    buffer: new ArrayBuffer(byteCount),
    free: () => {
      freed += 1;
    },
  }));
  for (let index = 0; index < 10; index++) buffers.take(100);
  sweep();
  await vi.waitFor(() => expect(freed).toBeGreaterThan(0));
});
