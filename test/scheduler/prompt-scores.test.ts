// Prompts that are scored: within the rows that may have logits, whatever is cached, and from where a client has them.

import { expect, it } from 'vitest';
import { type CommandWish, checkRig, expectedLogprobs, generateCommand, type Rig, step } from './driver.ts';
import { buildPooledRig } from './pooled-rig.ts';

const openRig = (scoredRowsMax: number): Rig =>
  buildPooledRig({ sequencesMax: 2, blockCount: 16, cacheSeqCount: 4, scoredRowsMax });

async function run(rig: Rig, wish: CommandWish, promptScoredCount = 0): Promise<number> {
  const logprobs = { outputTopCount: 1, promptTopCount: 2, promptScoredCount };
  const before = rig.kernel.steps;
  rig.scheduler.submit(generateCommand({ ...wish, logprobs }), rig.nowMs);
  while (rig.scheduler.hasWork()) {
    await step(rig);
    checkRig(rig);
  }
  return rig.kernel.steps - before;
}

const prompt = Array.from({ length: 20 }, (_, index) => index);
const wish = (id: number): CommandWish => ({
  ids: [id],
  tokens: prompt,
  outputTokensMax: 1,
  logprobs: { outputTopCount: 1, promptTopCount: 2, promptScoredCount: 0 },
});
const expected = expectedLogprobs(wish(1), []).prompt;

it('a prompt is read in chunks of as many rows as may have logits', async () => {
  expect(await run(openRig(32), wish(1))).toBe(1);
  const rig = openRig(5);
  // 19 rows are scored, five a step; the last of them shares its step with the row that draws.
  expect(await run(rig, wish(1))).toBe(4);
  expect(rig.journal.promptLogprobs.get(1)).toEqual(expected);
});

it('a prompt that is cached is computed and scored all the same', async () => {
  const rig = openRig(32);
  rig.scheduler.submit(generateCommand({ ids: [1], tokens: prompt, outputTokensMax: 1 }), 0);
  await step(rig);
  await run(rig, wish(2));
  expect(rig.journal.cached.get(2)).toBe(0);
  expect(rig.journal.promptLogprobs.get(2)).toEqual(expected);
});

it('what a client has is not told again, and then the cache serves as usual', async () => {
  const rig = openRig(32);
  rig.journal.promptLogprobs.set(1, expected.slice(0, 7));
  await run(rig, wish(1), 7);
  expect(rig.journal.promptLogprobs.get(1)).toEqual(expected);
  rig.scheduler.submit(generateCommand({ ids: [2], tokens: prompt, outputTokensMax: 1 }), rig.nowMs);
  while (rig.scheduler.hasWork()) await step(rig);
  rig.journal.promptLogprobs.set(3, [...expected]);
  await run(rig, wish(3), expected.length);
  expect(rig.journal.cached.get(3)).toBe(16);
  expect(rig.journal.promptLogprobs.get(3)).toEqual(expected);
});
