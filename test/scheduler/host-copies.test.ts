// What is thought of copies where they are not made.

import { expect, test } from 'vitest';
import { cacheSeqId } from '../../src/ids.ts';
import { reserveHostBytes } from '../../src/kv/host-tier.ts';
import { createPooledCache } from '../../src/kv/pooled-cache.ts';
import type { Park } from '../../src/scheduler/copy-types.ts';
import { demotionPays, settlePark } from '../../src/scheduler/host-copies.ts';
import { createSequence } from '../../src/scheduler/sequence.ts';
import { createSchedulerState, type SchedulerState } from '../../src/scheduler/state.ts';
import { generateCommand } from './driver.ts';
import { plainOptions } from './pooled-rig.ts';

const bytes = 1000;
const content = { namespace: '', tokens: Int32Array.from({ length: bytes }, (_, at) => at), tokenCount: bytes };

/** Of one byte a token; a token takes 1 ms to compute, a thousand 1 s. */
function stateWith({ copyMs, bytesMax = 100_000 }: { copyMs: number; bytesMax?: number }): SchedulerState {
  const sizes = { sequencesMax: 2, stepTokensMax: 32, contextTokensMax: 2000, kvBytesPerToken: 1 };
  const hostPrefixes = { bytesMax, hashSeed: 1 };
  const cache = createPooledCache({ blockCount: 500, blockTokens: 4, cacheSeqCount: 4 });
  const state = createSchedulerState({ ...plainOptions, ...sizes, hostPrefixes }, cache);
  state.costs.observe({ decodeCount: 0, promptTokenCount: bytes, promptDepth: 0 }, 1000);
  for (const way of ['save', 'restore'] as const) state.copyCosts.observe(way, bytes, copyMs);
  return state;
}

test('prefixes that never return are not copied, and what copies take is not forgotten meanwhile', () => {
  const state = stateWith({ copyMs: 100 });
  for (let count = 0; count < 1000; count++) state.prefixReturns.left();
  const copied = Array.from({ length: 320 }, () => demotionPays(state, content)).filter((pays) => pays).length;
  // Now and then one, to see whether it returns by now.
  expect(copied).toBe(10);
  expect(state.copyCosts.ms('restore', bytes)).toBe(100);
});

test('copies that are slower than computing are tried again, as one slow copy may have been an accident', () => {
  const state = stateWith({ copyMs: 2000 });
  expect(demotionPays(state, content)).toBe(false);
  expect(state.copyCosts.ms('restore', bytes)).toBeLessThan(2000);
});

test('what may not be kept for the memory that it is written to is not copied', () => {
  expect(demotionPays(stateWith({ copyMs: 1, bytesMax: 1250 }), content)).toBe(true);
  // It is smaller than the limit, but a copy of it may be held in a quarter more.
  expect(demotionPays(stateWith({ copyMs: 1, bytesMax: 1249 }), content)).toBe(false);
});

test('of two copies of one preempted sequence the last counts, and what does not fit leaves none', () => {
  const sizes = { sequencesMax: 2, stepTokensMax: 32, contextTokensMax: 2000, parkBytesMax: 100 };
  const cache = createPooledCache({ blockCount: 50, blockTokens: 4, cacheSeqCount: 4 });
  const state = createSchedulerState({ ...plainOptions, ...sizes }, cache);
  const command = generateCommand({ ids: [1], tokens: [1, 2, 3], outputTokensMax: 2 });
  const sequence = createSequence(command, { choiceIndex: 0, arrival: 1, nowMs: 0, cachedAtArrival: 0 });
  const park: Park = { sequence, seq: cacheSeqId(0), tokenCount: 2 };
  const copies = [40, 60, 101].map((size) => ({ bytes: new Uint8Array(size), tokenCount: 2 }));
  reserveHostBytes(state.parked, sequence.id, 80);
  const [first, second, large] = copies;
  for (const copied of [first, second]) settlePark(state, park, { copied, elapsedMs: 1 });
  expect(sequence.parked).toBe(second);
  expect(state.givenUp).toEqual([first]);
  expect(state.parked.bytesUsed).toBe(60);
  settlePark(state, park, { copied: large, elapsedMs: 1 });
  expect(sequence.parked).toBeUndefined();
  expect(state.givenUp).toEqual(copies);
  expect(state.parked.bytesUsed).toBe(0);
  // It was admitted in between: nobody wants it.
  settlePark(state, park, { copied: first, elapsedMs: 1 });
  expect(sequence.parked).toBeUndefined();
});
