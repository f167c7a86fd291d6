// How many bytes a stretch of code allocates on the JavaScript heap: the growth of a young generation that nobody collects.
// Why it repeats to half a percent: the project `guard` (vitest.config.ts) interprets the code, so that each allocation that is
// written is made. Compiled code saves some of them, but which depends on time: the same stretch then varied by 8 %.
// A stretch in which a collection ran is measured again, never guessed.

import v8 from 'node:v8';
import { assert } from '../../src/assert.ts';

const roundCount = 20;
const attemptsMax = 4;

/** Bytes that `stretch` allocates, the least of several runs: whatever else happens in the process only adds. On a busy machine three, and once eight, were too few. */
export async function allocatedBytes(stretch: () => Promise<void>): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  for (let round = 0; round < roundCount; round += 1) least = Math.min(least, await uncollected(stretch));
  return least;
}

/** Bytes of the heap that are held after `stretch` and were not before. */
export async function heldBytes(stretch: () => Promise<void>): Promise<number> {
  collect();
  const before = v8.getHeapStatistics().used_heap_size;
  await stretch();
  collect();
  return v8.getHeapStatistics().used_heap_size - before;
}

function collect(): void {
  assert(globalThis.gc !== undefined, 'the project guard runs with --expose-gc');
  globalThis.gc();
}

async function uncollected(stretch: () => Promise<void>): Promise<number> {
  for (let attempt = 0; attempt < attemptsMax; attempt += 1) {
    const bytes = await measure(stretch);
    if (bytes !== undefined) return bytes;
  }
  throw new Error(`a collection ran in each of ${attemptsMax} attempts: the stretch fills the young generation`);
}

async function measure(stretch: () => Promise<void>): Promise<number | undefined> {
  collect();
  const profiler = new v8.GCProfiler();
  profiler.start();
  const before = v8.getHeapStatistics().used_heap_size;
  await stretch();
  const after = v8.getHeapStatistics().used_heap_size;
  return profiler.stop().statistics.length === 0 ? after - before : undefined;
}
