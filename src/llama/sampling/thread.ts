// A sampling thread: sleeps until a round opens, draws rows until none is left, sleeps again.
// Why threads and not koffi's asynchronous calls: one wake-up serves a whole round, and nothing native has to be built.

import { parentPort, workerData } from 'node:worker_threads';
import { createForeignLogits } from '../foreign-logits.ts';
import { createDrawMemory } from './draw.ts';
import { drawRows } from './row-drawer.ts';
import { control, viewSharedRows } from './shared-rows.ts';

export interface SamplingThreadData {
  readonly memory: SharedArrayBuffer;
  readonly vocabularySize: number;
}

function run({ memory, vocabularySize }: SamplingThreadData): void {
  const shared = viewSharedRows(memory);
  const drawer = {
    memory: createDrawMemory(vocabularySize),
    logitsOf: createForeignLogits(shared.logits, vocabularySize),
  };
  parentPort?.postMessage('ready');
  let seen = 0;
  for (;;) {
    Atomics.wait(shared.control, control.wake, seen);
    seen = Atomics.load(shared.control, control.wake);
    Atomics.add(shared.control, control.busyCount, 1);
    const stopped = Atomics.load(shared.control, control.stop) !== 0;
    if (!stopped) drawRows(shared, drawer);
    Atomics.sub(shared.control, control.busyCount, 1);
    Atomics.notify(shared.control, control.busyCount);
    if (stopped) return;
  }
}

run(workerData as SamplingThreadData);
