// Parts of locked memory: never two in one place, and nothing is lost when all have come back.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { partsOf } from '../../src/llama/arena-memory.ts';
import { allocatePlain, type HostMemory } from '../../src/llama/host-memory.ts';
import { type ArenaPart, createStateArena } from '../../src/llama/state-arena.ts';
import { createStateBuffers, type StateBytes } from '../../src/llama/state-buffers.ts';

const page = 4096;

test('parts never overlap, lie within their piece, and joined again they are the whole', () => {
  const sizes = fc.integer({ min: 0, max: 9 * page });
  const pieces = fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 3 });
  const script = fc.array(fc.tuple(sizes, fc.nat(12)), { maxLength: 80 });
  fc.assert(
    fc.property(pieces, script, (pages, steps) => {
      const arena = createStateArena(pages.map((count) => count * page));
      const held: ArenaPart[] = [];
      for (const [size, choice] of steps) {
        const given = choice < 6 ? held.splice(choice, 1)[0] : undefined;
        if (given !== undefined) arena.give(given);
        const freeBefore = arena.freeBytes;
        const part = arena.take(size);
        if (part === undefined) {
          expect(arena.freeBytes).toBe(freeBefore);
          continue;
        }
        expect(part.byteCount).toBeGreaterThanOrEqual(size);
        expect(part.byteCount).toBeLessThan(Math.max(size, 1) + page);
        expect(part.offset + part.byteCount).toBeLessThanOrEqual((pages[part.piece] ?? 0) * page);
        const isApart = (other: ArenaPart) =>
          other.piece !== part.piece ||
          other.offset + other.byteCount <= part.offset ||
          part.offset + part.byteCount <= other.offset;
        expect(held.every(isApart)).toBe(true);
        held.push(part);
      }
      const heldBytes = held.reduce((sum, { byteCount }) => sum + byteCount, 0);
      const allBytes = pages.reduce((sum, count) => sum + count * page, 0);
      expect(arena.freeBytes).toBe(allBytes - heldBytes);
      for (const part of held) arena.give(part);
      for (const count of pages) expect(arena.take(count * page)).toBeDefined();
      expect(arena.freeBytes).toBe(0);
    }),
    { numRuns: 300 },
  );
});

test('the smallest hole that is large enough loses what is taken', () => {
  const arena = createStateArena([4 * page, 2 * page, 3 * page]);
  expect(arena.take(2 * page)).toEqual({ piece: 1, offset: 0, byteCount: 2 * page });
  expect(arena.take(2 * page - 1)).toEqual({ piece: 2, offset: 0, byteCount: 2 * page });
  expect(arena.take(5 * page)).toBeUndefined();
  expect(arena.take(4 * page)?.piece).toBe(0);
});

describe('states in locked memory', () => {
  const pieceBytes = 1 << 20;
  function open() {
    const freed: bigint[] = [];
    const piece = (): HostMemory => {
      const memory = allocatePlain(pieceBytes);
      return {
        ...memory,
        free() {
          freed.push(memory.address);
          memory.free();
        },
      };
    };
    const pieces = [piece(), piece()];
    let freshCount = 0;
    const allocate = (byteCount: number) => {
      freshCount += 1;
      return allocatePlain(byteCount);
    };
    const buffers = createStateBuffers(1 << 20, { allocate, parts: partsOf(pieces) });
    return { buffers, freed, freshCount: () => freshCount };
  }

  test('come from the pieces while there is a part for them, and from elsewhere then', async () => {
    const { buffers, freshCount } = open();
    const states: StateBytes[] = [];
    for (let index = 0; index < 5; index++) {
      const state = index % 2 === 0 ? buffers.take(400_000) : await buffers.takeAsync(400_000);
      state.bytes.fill(index);
      states.push(state);
    }
    expect(freshCount()).toBe(1);
    for (const [index, { bytes }] of states.entries()) expect(bytes.every((byte) => byte === index)).toBe(true);
    expect(buffers.takeSpare(400_000)).toBeUndefined();
    for (const state of states) buffers.give(state);
    expect(states.map(({ bytes }) => bytes.length)).toEqual([0, 0, 0, 0, 0]);
    // Given back twice it is nobody's.
    for (const state of states) buffers.give(state);
    // Parts do not count: of other memory no more is kept than before.
    buffers.give(buffers.take(1_200_000));
    expect(buffers.takeSpare(1_200_000)).toBeUndefined();
    const whole = [buffers.takeSpare(pieceBytes), buffers.takeSpare(pieceBytes)];
    expect(whole.map((state) => state?.bytes.length)).toEqual([pieceBytes, pieceBytes]);
    // Of a page's size more would be lost than it has.
    buffers.take(100);
    expect(freshCount()).toBe(3);
    buffers.dispose();
  });

  test('keep their piece until the last of them was given back', () => {
    const { buffers, freed } = open();
    const state = buffers.take(200_000);
    const other = buffers.take(100);
    buffers.dispose();
    buffers.dispose();
    expect(freed).toEqual([]);
    state.bytes.fill(1);
    buffers.give(state);
    expect(freed).toHaveLength(2);
    buffers.give(other);
    expect(freed).toHaveLength(2);
  });
});
