// What it costs that a step has another shape than the one before it.
// Why it is asked at the start: with CUDA a graph is built anew for each shape, and what was captured of the last one is lost. Where that
// takes a good part of a step, guesses had better come in steps that are alike (scheduler/speculation/choose-rows.ts). It depends
// on the model's layers and the host's cores and hardly on rows, so that two shapes tell of all.

import { must } from '../assert.ts';
import { cacheSeqId } from '../ids.ts';
import type { Kernel } from '../kernel-port.ts';
import { fewRows, warmUp } from './warm-up.ts';

/** Steps of each shape: the first pays for the change, the second captures it, and the last is settled. */
const stepsEach = 4;
const repeats = 3;

/** Milliseconds, the middle of six; 0 where steps of another shape take no longer. The cache must be empty, and is afterwards. */
export async function measureShapeChange(kernel: Kernel, now: () => number): Promise<number> {
  const changesMs: number[] = [];
  for (let repeat = 0; repeat < repeats; repeat++) {
    for (const rowCount of [fewRows, fewRows + 1]) {
      const stepsMs: number[] = [];
      for (let step = 0; step < stepsEach; step++) stepsMs.push(await stepMs(kernel, rowCount, now));
      changesMs.push(must(stepsMs[0], 'a first step') - must(stepsMs.at(-1), 'a last step'));
    }
  }
  kernel.truncate(cacheSeqId(0), 0);
  changesMs.sort((a, b) => a - b);
  return Math.max(must(changesMs[Math.floor(changesMs.length / 2)], 'some changes'), 0);
}

async function stepMs(kernel: Kernel, rowCount: number, now: () => number): Promise<number> {
  const startedMs = now();
  await warmUp(kernel, { adapter: undefined, rowCount });
  return now() - startedMs;
}
