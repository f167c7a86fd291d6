// The rows that the loop announces with a decode are those that it asks for after it.

import { expect, test } from 'vitest';
import type { Kernel, SampleRow } from '../../src/kernel-port.ts';
import { createPooledCache } from '../../src/kv/pooled-cache.ts';
import { greedySampling } from '../../src/sampling-params.ts';
import { createEngineLoop } from '../../src/scheduler/engine-loop.ts';
import { createScheduler } from '../../src/scheduler/scheduler.ts';
import { createFakeKernel } from '../fakes/kernel.ts';
import { generateCommand } from './driver.ts';
import { plainOptions } from './pooled-rig.ts';

test('random draws are announced, greedy ones are not, and forks are known only when their prompt is', async () => {
  const cache = createPooledCache({ blockCount: 16, blockTokens: 4, cacheSeqCount: 4 });
  const real = createFakeKernel({ cellCount: 64, cacheSeqCount: 4, vocabularySize: 16 });
  const steps: { readonly announced: readonly SampleRow[]; drawn: readonly SampleRow[] }[] = [];
  const kernel: Kernel = {
    ...real,
    decode(tokenCount, draws = () => []) {
      steps.push({ announced: draws(), drawn: [] });
      return real.decode(tokenCount);
    },
    sample(rows) {
      const last = steps.at(-1);
      if (last !== undefined) last.drawn = rows.filter(({ sampling }) => sampling.temperature > 0);
      return real.sample(rows);
    },
  };
  const endless = { outputTokensMax: 5, ignoreEos: true };
  const loop = createEngineLoop({
    scheduler: createScheduler({ ...plainOptions, sequencesMax: 4, stepTokensMax: 16, contextTokensMax: 64 }, cache),
    cache,
    kernel,
    now: () => 0,
    post: ({ stats }) => {
      if (steps.length > 0 && stats.runningCount + stats.waitingCount === 0) loop.stop();
    },
    onFault: (faults) => expect(faults).toEqual([]),
  });
  const warm = { ...greedySampling, temperature: 1 };
  loop.accept({ ...generateCommand({ ids: [1], tokens: [1, 2, 3], ...endless }), sampling: warm });
  loop.accept({ ...generateCommand({ ids: [2, 3], tokens: [4, 5], ...endless }), sampling: warm });
  loop.accept(generateCommand({ ids: [4], tokens: [6], ...endless }));
  await loop.run();
  const seedsOf = (rows: readonly SampleRow[]) =>
    rows.map(({ batchIndex, seed, tokenCount }) => [batchIndex, seed, tokenCount]);
  const [first, ...later] = steps;
  expect(first?.drawn).toHaveLength(3);
  expect(first?.announced).toHaveLength(2);
  expect(seedsOf(first?.drawn ?? [])).toEqual(expect.arrayContaining(seedsOf(first?.announced ?? [])));
  expect(later.length).toBeGreaterThan(2);
  for (const { announced, drawn } of later) expect(seedsOf(announced)).toEqual(seedsOf(drawn));
});
