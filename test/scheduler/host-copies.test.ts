// What is thought of copies where they are not made.

import { expect, test } from 'vitest';
import { createPooledCache } from '../../src/kv/pooled-cache.ts';
import { demotionPays } from '../../src/scheduler/host-copies.ts';
import { createSchedulerState, type SchedulerState } from '../../src/scheduler/state.ts';
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
