// Memory of states that is written to again: never two states in one, never more spare than allowed.

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { expect, test, vi } from 'vitest';
import { allocatePlain } from '../../src/llama/host-memory.ts';
import { createStateBuffers, type StateBuffers, type StateBytes } from '../../src/llama/state-buffers.ts';

/** Memory of the C library that is counted. */
function counted() {
  const live = new Map<number, number>();
  let made = 0;
  const allocate = (byteCount: number) => {
    const memory = allocatePlain(byteCount);
    const id = made++;
    live.set(id, byteCount);
    return {
      buffer: memory.buffer,
      free() {
        expect(live.delete(id)).toBe(true);
        memory.free();
      },
    };
  };
  const liveBytes = () => [...live.values()].reduce((sum, bytes) => sum + bytes, 0);
  return { live, allocate, liveBytes, made: () => made };
}

test('a state has its own memory for as long as it is not given back, and all together no more than allowed', () => {
  const sizes = fc.integer({ min: 0, max: 5000 });
  fc.assert(
    fc.property(fc.nat(20_000), fc.array(fc.tuple(sizes, fc.nat(9)), { maxLength: 60 }), (bytesMax, script) => {
      const { allocate, liveBytes } = counted();
      const buffers = createStateBuffers(bytesMax, { allocate });
      const held: { readonly state: StateBytes; readonly mark: number }[] = [];
      const heldBytes = () => held.reduce((sum, { state }) => sum + state.bytes.buffer.byteLength, 0);
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
        expect(liveBytes()).toBeLessThanOrEqual(Math.max(bytesMax, heldBytes()));
      });
      for (const { state, mark } of held) expect(state.bytes.every((byte) => byte === mark)).toBe(true);
      buffers.dispose();
      expect(liveBytes()).toBe(heldBytes());
      for (const { state } of held) buffers.give(state);
      buffers.dispose();
      expect(liveBytes()).toBe(0);
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
  const buffers = createStateBuffers(20_000);
  const giveBack = (size: number) => buffers.give(filled(buffers, size));
  giveBack(4000);
  expect(isUsedAgain(buffers.take(2000))).toBe(false);
  expect(isUsedAgain(buffers.take(3900))).toBe(true);
  expect(isUsedAgain(buffers.take(3900))).toBe(false);
  giveBack(3000);
  // A little more, as the next turn of a conversation is.
  expect(isUsedAgain(buffers.take(3050), 3000)).toBe(true);
});

test('spare memory is what states leave of the whole: what was given back first goes, and what is too large at once', () => {
  const { allocate, live, made } = counted();
  const buffers = createStateBuffers(10_000, { allocate });
  const first = filled(buffers, 3072);
  const second = filled(buffers, 2048);
  const third = filled(buffers, 4096);
  buffers.give(first);
  buffers.give(second);
  expect([...live.keys()]).toEqual([0, 1, 2]);
  const fourth = filled(buffers, 1024);
  // 10,240 would be more than the whole.
  expect([...live.keys()]).toEqual([1, 2, 3]);
  const large = filled(buffers, 16_384);
  expect([...live.keys()]).toEqual([2, 3, 4]);
  buffers.give(large);
  buffers.give(third);
  buffers.give(fourth);
  expect([...live.keys()]).toEqual([2, 3]);
  expect(isUsedAgain(buffers.take(4096))).toBe(true);
  expect(made()).toBe(5);
  const none = createStateBuffers(0);
  none.give(filled(none, 100));
  expect(isUsedAgain(none.take(100))).toBe(false);
});

function sweep(): void {
  setFlagsFromString('--expose-gc');
  runInNewContext('gc')();
}

test('what is given back after the end is freed at once', () => {
  const { allocate, liveBytes } = counted();
  const buffers = createStateBuffers(10_000, { allocate });
  const [first, second] = [filled(buffers, 1024), filled(buffers, 1024)];
  buffers.give(first);
  buffers.dispose();
  expect(liveBytes()).toBe(1024);
  buffers.give(second);
  expect(liveBytes()).toBe(0);
});

/** Waits until states that nobody holds were let go of, by one that is lost as well. */
async function swept(): Promise<void> {
  let isSwept = false;
  const allocate = (byteCount: number) => ({
    buffer: new ArrayBuffer(byteCount),
    free: () => {
      isSwept = true;
    },
  });
  createStateBuffers(0, { allocate }).take(1);
  await vi.waitFor(() => {
    sweep();
    expect(isSwept).toBe(true);
  });
}

/** Memory that counts how often it was freed. */
function countedFrees() {
  const count = { freed: 0 };
  const allocate = (byteCount: number) => ({
    buffer: new ArrayBuffer(byteCount),
    free: () => {
      count.freed += 1;
    },
  });
  return { count, allocate };
}

test('memory of a state that was lost is freed when the heap is swept, that of one that was given back is not', async () => {
  const { count, allocate } = countedFrees();
  const buffers = createStateBuffers(10_000, { allocate });
  for (let index = 0; index < 3; index++) buffers.take(3000);
  await swept();
  expect(count.freed).toBe(3);
  // They no longer count: there is room for what is given back.
  for (let index = 0; index < 3; index++) buffers.give(filled(buffers, 9000));
  await swept();
  expect(count.freed).toBe(3);
  expect(isUsedAgain(buffers.take(9000))).toBe(true);
});

test('memory of a state that is lost with all that made it is freed as well', async () => {
  const { count, allocate } = countedFrees();
  createStateBuffers(10_000, { allocate }).take(3000);
  await swept();
  expect(count.freed).toBe(1);
});

/** Memory that is there when the test says so. */
function late(fails = false) {
  const memory = counted();
  const waiting: (() => void)[] = [];
  const allocateAsync = async (byteCount: number) => {
    await new Promise<void>((resolve) => waiting.push(resolve));
    if (fails) throw new Error('no memory is left');
    return memory.allocate(byteCount);
  };
  return { ...memory, allocateAsync, arrive: () => waiting.shift()?.() };
}

test('memory that is on its way counts as taken, and what is spare makes room for it', async () => {
  const { allocate, allocateAsync, arrive, live } = late();
  const buffers = createStateBuffers(10_000, { allocate, allocateAsync: allocateAsync });
  const [first, second] = [filled(buffers, 4096), filled(buffers, 4096)];
  buffers.give(first);
  const taking = buffers.takeAsync(8192);
  expect([...live.keys()]).toEqual([1]);
  buffers.give(second);
  // 12,288 would be more than the whole.
  expect([...live.keys()]).toEqual([]);
  arrive();
  const third = await taking;
  expect([third.bytes.length, [...live.keys()]]).toEqual([8192, [2]]);
  buffers.give(filled(buffers, 1024));
  expect([...live.keys()]).toEqual([2, 3]);
  buffers.give(third);
  expect([...live.keys()]).toEqual([2, 3]);
});

test('spare memory is taken at once', async () => {
  const { allocateAsync, allocate, made } = late();
  const buffers = createStateBuffers(10_000, { allocate, allocateAsync: allocateAsync });
  buffers.give(filled(buffers, 4096));
  const taking = buffers.takeAsync(4000);
  // Nobody else gets it.
  expect(isUsedAgain(buffers.take(4000))).toBe(false);
  expect(isUsedAgain(await taking)).toBe(true);
  expect(made()).toBe(2);
});

test('memory that does not come is not counted, and what is asked for meanwhile has its own', async () => {
  const { allocateAsync, allocate, arrive, live } = late(true);
  const buffers = createStateBuffers(10_000, { allocate, allocateAsync: allocateAsync });
  const taking = buffers.takeAsync(8192);
  const [first, second] = [filled(buffers, 8192), filled(buffers, 1024)];
  arrive();
  await expect(taking).rejects.toThrow('no memory is left');
  buffers.give(second);
  buffers.give(first);
  // 9,216 are no more than the whole.
  expect([...live.keys()]).toEqual([0, 1]);
});

test('memory that arrives after the end is freed when it is given back', async () => {
  const { allocateAsync, allocate, arrive, liveBytes } = late();
  const buffers = createStateBuffers(10_000, { allocate, allocateAsync: allocateAsync });
  const taking = buffers.takeAsync(1024);
  buffers.dispose();
  arrive();
  const state = await taking;
  expect(liveBytes()).toBe(1024);
  buffers.give(state);
  expect(liveBytes()).toBe(0);
});

test('memory whose allocation throws is not counted', () => {
  let isFull = true;
  const allocate = (byteCount: number) => {
    if (isFull) throw new Error('no memory is left');
    return { buffer: new ArrayBuffer(byteCount), free: () => undefined };
  };
  const buffers = createStateBuffers(10_000, { allocate });
  expect(() => buffers.take(8192)).toThrow('no memory is left');
  isFull = false;
  buffers.give(filled(buffers, 8192));
  expect(isUsedAgain(buffers.take(8192))).toBe(true);
});

test('memory of a state whose bytes somebody has is kept', async () => {
  const { count, allocate } = countedFrees();
  const buffers = createStateBuffers(10_000, { allocate });
  let { bytes } = buffers.take(3000);
  await swept();
  expect([count.freed, bytes.length]).toEqual([0, 3000]);
  bytes = new Uint8Array(0);
  await swept();
  expect(count.freed).toBe(1);
});
