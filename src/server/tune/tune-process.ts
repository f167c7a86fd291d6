// Runs the tuning process: a request in, its outcome out, and its end whatever happens.

import { type ChildProcess, fork } from 'node:child_process';
import type { Gpu } from '../../llama/library-packages.ts';
import { keepOutput, programFile, untilAnswered } from '../../precision/child-program.ts';
import type { Device } from './device.ts';
import type { OnProgress } from './run-tuning.ts';
import { type TuneOutcome, type TuneRequest, tuneMessage } from './tune-request.ts';

export interface TuneProcessOptions {
  readonly onProgress?: OnProgress;
  readonly signal?: AbortSignal;
}

const outputKeptChars = 4000;

/** Throws when `signal` aborts, and with the process's own words when it dies. */
export async function runTuneProcess(
  request: TuneRequest,
  { onProgress, signal }: TuneProcessOptions = {},
): Promise<TuneOutcome> {
  signal?.throwIfAborted();
  const child = fork(programFile('src/server/tune/tune-main.js'), [], {
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    // As the engine process: each native call runs on the same thread.
    env: { ...process.env, UV_THREADPOOL_SIZE: '1' },
  });
  const outcome = awaitOutcome(child, onProgress);
  child.send(request, () => undefined);
  return untilAnswered(child, outcome, signal);
}

/** What computes, asked of a process of its own: this one leaves a GPU alone. Throws where it cannot be told. */
export async function findDevice(gpu: 'auto' | Gpu): Promise<Device> {
  const outcome = await runTuneProcess({ kind: 'device', gpu });
  if (outcome.kind === 'device') return outcome.device;
  throw new Error(
    outcome.kind === 'failed' ? outcome.reason : 'the tuning process told something else than its device',
  );
}

function awaitOutcome(child: ChildProcess, onProgress: OnProgress | undefined): Promise<TuneOutcome> {
  const output = keepOutput(child, outputKeptChars);
  return new Promise((resolve, reject) => {
    child.on('message', (message) => {
      const news = tuneMessage.safeParse(message);
      if (!news.success) reject(new Error(`the tuning process sent what it should not: ${news.error.message}`));
      else if (news.data.kind === 'progress') onProgress?.(news.data.label, news.data.seconds);
      else resolve(news.data);
    });
    child.once('error', reject);
    child.once('close', (code, signal) => {
      const how = signal ?? `exit code ${code}`;
      const why = output();
      reject(new Error(`the tuning process ended with ${how}${why === '' ? '' : `:\n${why}`}`));
    });
  });
}
