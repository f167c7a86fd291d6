// Copies beside steps as the loop sees them: told between steps, with what each took, and a failure is not lost.

import { expect, test } from 'vitest';
import { cacheSeqId } from '../../src/ids.ts';
import type { ParkedState } from '../../src/kernel-port.ts';
import { createCopyLane } from '../../src/scheduler/copy-lane.ts';
import type { Departure } from '../../src/scheduler/copy-types.ts';

const departure = (seq: number): Departure => ({
  kind: 'departure',
  held: { seq: cacheSeqId(seq), namespace: '', tokens: new Int32Array(4), tokenCount: 4 },
  park: undefined,
});

/** A lane whose copies end by hand. */
function rig() {
  let nowMs = 0;
  let endCount = 0;
  const told: [seq: number, elapsedMs: number][] = [];
  const ends: ((how: ParkedState | Error) => void)[] = [];
  const lane = createCopyLane({
    scheduler: {
      departed: ({ held }, { elapsedMs }) => told.push([held.seq, elapsedMs]),
      arrived: () => undefined,
    },
    beside: {
      park: () =>
        new Promise((resolve, reject) => {
          ends.push((how) => (how instanceof Error ? reject(how) : resolve(how)));
        }),
      restore: () => undefined,
    },
    now: () => nowMs,
    onEnd: () => {
      endCount += 1;
    },
  });
  const end = async (index: number, how: ParkedState | Error): Promise<void> => {
    ends[index]?.(how);
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { lane, told, end, endCount: () => endCount, pass: (ms: number) => (nowMs += ms) };
}

const state: ParkedState = { bytes: new Uint8Array(4), tokenCount: 4 };

test('what has ended is told when it is settled, each with its own time: from the end of the one before', async () => {
  const { lane, told, end, endCount, pass } = rig();
  lane.start([departure(0), departure(1)]);
  pass(5);
  await end(0, state);
  pass(2);
  await end(1, state);
  expect([told.length, endCount(), lane.isBusy()]).toEqual([0, 2, true]);
  lane.settle();
  expect(told).toEqual([
    [0, 5],
    [1, 2],
  ]);
  expect(lane.isBusy()).toBe(false);
  lane.settle();
  expect(told).toHaveLength(2);
});

test('a copy that fails wakes the loop, which hears of it', async () => {
  const { lane, end, endCount } = rig();
  lane.start([departure(0)]);
  await end(0, new Error('the device is gone'));
  expect(endCount()).toBe(1);
  await lane.finished();
  expect(() => lane.settle()).toThrow('the device is gone');
});
