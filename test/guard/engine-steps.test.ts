// What the engine process allocates for a token, and how often it speaks, while sequences decode: its loop, scheduler and cache
// on a kernel that computes nothing.

import { expect, test } from 'vitest';
import type { SequenceMasks } from '../../src/grammar-port.ts';
import { createPooledCache } from '../../src/kv/pooled-cache.ts';
import { createEngineLoop, type EngineLoop } from '../../src/scheduler/engine-loop.ts';
import { createScheduler } from '../../src/scheduler/scheduler.ts';
import { packMessage } from '../../src/server/engine/engine-wire.ts';
import { generateCommand } from '../scheduler/driver.ts';
import { allocatedBytes } from './allocation.ts';
import { createBareKernel } from './bare-kernel.ts';
import { expectBytes, expectCount, knowsBytes } from './baselines.ts';
import { guardedOptions } from './scheduler-options.ts';

const stepCount = 32;
/** So that the 2 KB which a stretch sometimes allocates beside its steps are little to the smallest of them, too. */
const loneStepCount = 256;
/** Steps after which all sequences decode. */
const warmStepCount = 128;

const loads = [
  { running: 1, waiting: 0 },
  { running: 32, waiting: 0 },
  { running: 32, waiting: 10_000 },
  { running: 256, waiting: 0 },
];

test.skipIf(!knowsBytes).each(loads)(
  'a step of $running beside $waiting allocates no more than it did',
  async (load) => {
    const { advance, end } = await decoding(load);
    const steps = load.running === 1 ? loneStepCount : stepCount;
    const bytes = await allocatedBytes(() => advance(steps));
    expectBytes(`engine, ${load.running} running, ${load.waiting} waiting, each step`, bytes / steps);
    await end();
  },
);

test('each step is one message, in which the tokens are one array', async () => {
  const { advance, end, said } = await decoding({ running: 32, waiting: 0 });
  said.messageCount = 0;
  said.partCount = 0;
  said.eventCount = 0;
  await advance(stepCount);
  expectCount('messages of 32 steps', said.messageCount);
  expectCount('parts of their events', said.partCount);
  expect(said.eventCount).toBe(32 * stepCount);
  await end();
});

interface Decoding {
  readonly said: { messageCount: number; partCount: number; eventCount: number };
  advance(stepCount: number): Promise<void>;
  end(): Promise<void>;
}

/** So many sequences far into their answers, and others that wait: whoever walks through those allocates for each. */
async function decoding(load: (typeof loads)[number]): Promise<Decoding> {
  const said = { messageCount: 0, partCount: 0, eventCount: 0 };
  const cache = createPooledCache({ blockCount: 1 << 14, blockTokens: 16, cacheSeqCount: 256 });
  const scheduler = createScheduler(guardedOptions(load.running), cache);
  const { kernel, advance, now } = createBareKernel(256);
  const loop: EngineLoop = createEngineLoop({
    scheduler,
    cache,
    kernel,
    masks: noMasks,
    now,
    post: (report) => {
      const packed = packMessage({ kind: 'step', ...report });
      said.messageCount += 1;
      if (packed.kind === 'step') said.partCount += packed.events.length;
      said.eventCount += report.events.length;
    },
    onFault: (faults) => expect(faults).toEqual([]),
  });
  for (let id = 1; id <= load.running + load.waiting; id += 1) {
    const tokens = Array.from({ length: 33 }, (_, index) => ((id * 7 + index) % 500) + 1);
    loop.accept(generateCommand({ ids: [id], tokens, outputTokensMax: 100_000 }));
  }
  const running = loop.run();
  await advance(warmStepCount);
  expect(scheduler.stats().runningCount).toBe(load.running);
  return {
    said,
    advance,
    async end() {
      loop.stop();
      void advance(1);
      await running;
    },
  };
}

/** As in an engine whose sequences have no grammars. */
const noMasks: SequenceMasks = {
  prepare: async () => undefined,
  hold: () => undefined,
  release: () => undefined,
  advance: () => undefined,
  masks: async () => [],
  takeMaskMs: () => 0,
  takeCompiles: () => [],
  stats: () => ({
    preparingCount: 0,
    grammarCount: 0,
    grammarHitCount: 0,
    grammarMissCount: 0,
    grammarEvictionCount: 0,
  }),
  dispose: () => undefined,
};
