// The sampling threads, and the engine's own thread working beside them.
// Why the engine's thread takes rows too: the step cannot go on without the tokens, so waiting idle would only cost.
// Why it draws late rows a second time: a thread may lose its core in the middle of a row (or be gone). A draw has no
// state, so that the first result counts and a step is never slower than without threads by more than a short wait.

import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { drawRow, drawRows, type RowDrawer } from './row-drawer.ts';
import { allocateSharedRows, control, findPending, openRound, type SharedRows, viewSharedRows } from './shared-rows.ts';

export interface SamplingThreads {
  readonly shared: SharedRows;
  /** Draws rows 0 to count - 1, whose records are written, into `shared.results`. */
  drawRound(round: SamplingRound): void;
  /** Returns when no thread reads logits any more. */
  dispose(): void;
}

export interface SamplingRound extends RowDrawer {
  readonly count: number;
  /** Where the logits are, and how many rows they have. */
  readonly address: bigint;
  readonly logitsRowCount: number;
  /** How long to wait for the last rows of other threads before drawing them here, in milliseconds. */
  readonly patienceMs: number;
}

const disposeMsMax = 1_000;

/** Starts `count` threads; undefined when their program is not there (sources that were not built). */
export async function startSamplingThreads(
  count: number,
  vocabularySize: number,
): Promise<SamplingThreads | undefined> {
  const program = threadProgram();
  if (count < 1 || program === undefined) return undefined;
  const memory = allocateSharedRows(vocabularySize);
  const shared = viewSharedRows(memory);
  const threads = Array.from({ length: count }, () => new Worker(program, { workerData: { memory, vocabularySize } }));
  await Promise.all(threads.map(started)).catch(async (error) => {
    // Those that did start would keep the process from ending.
    await Promise.all(threads.map((thread) => thread.terminate()));
    throw error;
  });
  return {
    shared,
    drawRound(round) {
      shared.logits[0] = round.address;
      shared.logits[1] = BigInt(round.logitsRowCount);
      openRound(shared, round.count);
      drawRows(shared, round);
      awaitOthers(shared, round);
    },
    dispose: () => stop(shared),
  };
}

/** The compiled program: beside this file, or, when this file runs from its source, in the build's folder. */
function threadProgram(): URL | undefined {
  const built = import.meta.url.endsWith('.ts')
    ? new URL('../../../dist/src/llama/sampling/thread.js', import.meta.url)
    : new URL('./thread.js', import.meta.url);
  return existsSync(fileURLToPath(built)) ? built : undefined;
}

function started(thread: Worker): Promise<void> {
  return new Promise((resolve, reject) => {
    thread.once('error', reject);
    thread.once('message', () => {
      thread.unref();
      resolve();
    });
  });
}

function awaitOthers(shared: SharedRows, round: SamplingRound): void {
  for (;;) {
    const finished = Atomics.load(shared.control, control.finished);
    const pending = findPending(shared);
    if (pending === undefined) return;
    const woken = Atomics.wait(shared.control, control.finished, finished, round.patienceMs);
    if (woken === 'timed-out') drawRow(shared, pending, round);
  }
}

function stop({ control: words }: SharedRows): void {
  Atomics.store(words, control.stop, 1);
  Atomics.add(words, control.wake, 1);
  Atomics.notify(words, control.wake);
  for (;;) {
    const busy = Atomics.load(words, control.busyCount);
    if (busy === 0 || Atomics.wait(words, control.busyCount, busy, disposeMsMax) === 'timed-out') return;
  }
}
