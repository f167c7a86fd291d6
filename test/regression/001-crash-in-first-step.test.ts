// A request that ended the engine in its very first step was never blamed: the engine told the server that the sequence
// had started only after the step was under way. So every new engine died of it, for ever, and nobody was answered.

import { expect, test } from 'vitest';
import type { Kernel } from '../../src/kernel-port.ts';
import { createPooledCache } from '../../src/kv/pooled-cache.ts';
import { createEngineLoop } from '../../src/scheduler/engine-loop.ts';
import { createScheduler } from '../../src/scheduler/scheduler.ts';
import { createFakeKernel } from '../fakes/kernel.ts';
import { generateCommand } from '../scheduler/driver.ts';
import { plainOptions } from '../scheduler/pooled-rig.ts';

test('the loop tells who starts before the step that computes them', async () => {
  const heard: string[] = [];
  const cache = createPooledCache({ blockCount: 8, blockTokens: 4, cacheSeqCount: 4 });
  const real = createFakeKernel({ cellCount: 32, cacheSeqCount: 4, vocabularySize: 16 });
  const kernel: Kernel = {
    ...real,
    decode(tokenCount) {
      heard.push('decode');
      return real.decode(tokenCount);
    },
  };
  const scheduler = createScheduler(
    { ...plainOptions, sequencesMax: 4, stepTokensMax: 16, contextTokensMax: 32 },
    cache,
  );
  const loop = createEngineLoop({
    scheduler,
    cache,
    kernel,
    now: () => 0,
    post: ({ events }) => {
      heard.push(...events.map(({ kind }) => kind));
      if (events.some(({ kind }) => kind === 'sequence-finished')) loop.stop();
    },
    onFault: (faults) => expect(faults).toEqual([]),
  });
  loop.accept(generateCommand({ ids: [1], tokens: [1, 2, 3], outputTokensMax: 2, ignoreEos: true }));
  await loop.run();
  expect(heard.slice(0, 2)).toEqual(['sequence-started', 'decode']);
});
