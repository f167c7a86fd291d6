// Host memory of states that leave the cache: what it takes of the cache's own memory, and of the host's beside a GPU.

import { expect, test } from 'vitest';
import { planHostMemory, type StateWishes, stateRows, statesIn } from '../../../src/server/engine/plan-host-states.ts';

const gibibyte = 2 ** 30;
const auto: StateWishes = { parkBytesMax: 'auto', prefixBytesMax: 'auto', preemption: 'auto' };

test('sizes that were asked for are reserved, others give way, and what never happens takes nothing', () => {
  expect(stateRows(auto, true)).toMatchObject({
    reserved: [],
    flexible: [
      { part: 'park memory', bytes: gibibyte },
      { part: 'prefix memory', bytes: gibibyte },
    ],
  });
  expect(stateRows({ ...auto, parkBytesMax: 3 * gibibyte, prefixBytesMax: 0 }, true)).toMatchObject({
    reserved: [{ part: 'park memory', bytes: 3 * gibibyte }],
    flexible: [],
  });
  const never = stateRows({ ...auto, prefixBytesMax: 5, preemption: 'recompute' }, false);
  expect(never).toEqual({ reserved: [], flexible: [] });
});

test('the rows of a plan say what each may have', () => {
  const rows = [
    { part: 'weights', bytes: 9, detail: '' },
    { part: 'prefix memory', bytes: 800, detail: '' },
  ];
  expect(statesIn(rows)).toEqual({ parkBytesMax: 0, prefixBytesMax: 700, spareBytesMax: 100 });
});

test('beside a GPU the host must hold them: a tenth of what is free each, 1 GiB at most', () => {
  const bytes = (wishes: StateWishes, freeBytes: number | undefined) =>
    planHostMemory(stateRows(wishes, true), freeBytes).rows.map((row) => row.bytes / gibibyte);
  expect(bytes(auto, 64 * gibibyte)).toEqual([1, 1]);
  expect(bytes(auto, 5 * gibibyte)).toEqual([0.5, 0.5]);
  expect(bytes(auto, undefined)).toEqual([1, 1]);
  expect(bytes({ ...auto, prefixBytesMax: 3 * gibibyte }, 5 * gibibyte)).toEqual([3, expect.closeTo(0.2, 6)]);
  const large = { ...auto, parkBytesMax: 2 * gibibyte, prefixBytesMax: 4 * gibibyte };
  expect(bytes(large, 6 * gibibyte)).toEqual([2, 4]);
  expect(() => bytes(large, 5 * gibibyte)).toThrow(
    'park memory 2.0 GiB + prefix memory 4.0 GiB must be <= 5.0 GiB, the host memory that is free. Given: 6.0 GiB',
  );
});
