// The engine's loop between sequences and vectors: steps and passes take turns, and neither starves or disturbs the other.

import { expect, test } from 'vitest';
import type { Kernel } from '../../src/kernel-port.ts';
import { createPooledCache } from '../../src/kv/pooled-cache.ts';
import { createEmbeddingLane } from '../../src/scheduler/embedding-lane.ts';
import { createEngineLoop } from '../../src/scheduler/engine-loop.ts';
import { createScheduler } from '../../src/scheduler/scheduler.ts';
import { createFakeKernel } from '../fakes/kernel.ts';
import { generateCommand } from './driver.ts';
import { plainOptions } from './pooled-rig.ts';

const stepMs = 20;
const tokenMs = 0.5;
const limits = { passTokensMax: 200, inputsMax: 8, inputTokensMax: 1000, cellCount: 1000, splitsInputs: true };

/** A loop whose clock is moved by what it computes; `heard` has each step, and each pass with its tokens. */
function openLoop() {
  const heard: string[] = [];
  let nowMs = 0;
  let computing = false;
  /** Two native contexts must never compute at once. */
  async function alone<T>(what: string, ms: number, run: () => T | Promise<T>): Promise<T> {
    expect(computing).toBe(false);
    computing = true;
    heard.push(what);
    nowMs += ms;
    await new Promise((resolve) => setImmediate(resolve));
    computing = false;
    return run();
  }
  const cache = createPooledCache({ blockCount: 16, blockTokens: 4, cacheSeqCount: 4 });
  const real = createFakeKernel({ cellCount: 64, cacheSeqCount: 4, vocabularySize: 16 });
  const kernel: Kernel = { ...real, decode: (count) => alone('step', stepMs, () => real.decode(count)) };
  const embeddings = createEmbeddingLane({
    limits,
    open: async () => ({
      limits,
      compute: (parts) => {
        const tokenCount = parts.reduce((sum, { from, to }) => sum + to - from, 0);
        return alone(`pass ${tokenCount}`, tokenCount * tokenMs, () => ({
          kind: 'done' as const,
          vectors: parts.map(({ tokens, to }) => (to === tokens.length ? new Float32Array(1) : undefined)),
        }));
      },
      dispose: () => undefined,
    }),
    now: () => nowMs,
    post: ({ kind }) => {
      heard.push(kind);
      if (kind === 'embedded') loop.stop();
    },
  });
  const loop = createEngineLoop({
    scheduler: createScheduler({ ...plainOptions, sequencesMax: 4, stepTokensMax: 16, contextTokensMax: 64 }, cache),
    cache,
    kernel,
    embeddings,
    now: () => nowMs,
    post: () => undefined,
    onFault: (faults) => expect(faults).toEqual([]),
  });
  const embed = (length: number) =>
    loop.accept({ kind: 'embed', id: 1, inputs: [{ index: 0, tokens: new Int32Array(length) }] });
  return { loop, heard, embed };
}

test('beside a sequence each step is followed by a pass of about its time, then passes are whole', async () => {
  const { loop, heard, embed } = openLoop();
  loop.accept(generateCommand({ ids: [1], tokens: [1, 2, 3], outputTokensMax: 4, ignoreEos: true }));
  embed(400);
  await loop.run();
  // 20 ms are 40 tokens, once that is known. After the last step nothing waits for a token.
  expect(heard).toEqual([
    ...['step', 'pass 16', 'step', 'pass 40', 'step', 'pass 40', 'step'],
    ...['pass 200', 'pass 104', 'embedded'],
  ]);
});

test('without sequences the loop sleeps until there is an input, and makes its vector', async () => {
  const { loop, heard, embed } = openLoop();
  const running = loop.run();
  await new Promise((resolve) => setImmediate(resolve));
  expect(heard).toEqual([]);
  embed(30);
  await running;
  expect(heard).toEqual(['pass 30', 'embedded']);
});
