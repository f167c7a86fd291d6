// A scoring thread: sleeps until a round opens, computes rows until none is left, says so, sleeps again.

import { parentPort, workerData } from 'node:worker_threads';
import { control, createRowViews, scoreRows, viewRound } from './round.ts';

export interface ScoringThreadStart {
  readonly memory: SharedArrayBuffer;
  readonly vocabularySize: number;
}

function run({ memory, vocabularySize }: ScoringThreadStart): void {
  const round = viewRound(memory);
  const views = createRowViews(round, vocabularySize);
  parentPort?.postMessage('ready');
  for (let seen = 0; ; ) {
    Atomics.wait(round.control, control.round, seen);
    seen = Atomics.load(round.control, control.round);
    if (Atomics.load(round.control, control.stop) !== 0) return;
    scoreRows(round, views);
    Atomics.sub(round.control, control.busyCount, 1);
    Atomics.notify(round.control, control.busyCount);
  }
}

run(workerData as ScoringThreadStart);
