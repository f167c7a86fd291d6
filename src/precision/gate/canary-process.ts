// Measures a canary in a process of its own, which is ended when it takes too long.
// Why no outcome is an error: whatever becomes of a canary, the server must be able to go on; only its shutdown throws.

import { type ChildProcess, fork } from 'node:child_process';
import type { CanaryOutcome } from '../../precision-status.ts';
import { programFile, untilAnswered } from '../child-program.ts';
import { type CanaryRequest, canaryMessage } from './canary-request.ts';

export interface CanaryProcessOptions {
  readonly onProgress: (fraction: number) => void;
  readonly signal: AbortSignal;
  /** Another program than the built one: tests name one that breaks on purpose. */
  readonly program?: string;
}

/** The process looks at the clock between windows; one that is inside a window for so long beyond is ended. */
const graceSeconds = 2;
const outputKeptChars = 4000;
const reasonChars = 300;

/** Throws only when `signal` aborts. */
export async function measureInProcess(
  request: CanaryRequest,
  { onProgress, signal, program = programFile('src/precision/gate/canary-main.js') }: CanaryProcessOptions,
): Promise<CanaryOutcome> {
  signal.throwIfAborted();
  const child = fork(program, [], {
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    // One thread for native calls, as in the engine process.
    env: { ...process.env, UV_THREADPOOL_SIZE: '1' },
  });
  let isLate = false;
  const timer = setTimeout(
    () => {
      isLate = true;
      child.kill('SIGKILL');
    },
    (request.secondsMax + graceSeconds) * 1000,
  );
  try {
    const outcome = awaitOutcome(child, onProgress);
    child.send(request, () => undefined);
    const ended = await untilAnswered(child, outcome, signal);
    signal.throwIfAborted();
    return ended.kind === 'failed' && isLate ? { kind: 'skipped', reason: 'no window was finished in time' } : ended;
  } finally {
    clearTimeout(timer);
  }
}

function awaitOutcome(child: ChildProcess, onProgress: (fraction: number) => void): Promise<CanaryOutcome> {
  let output = '';
  child.stderr?.on('data', (piece: Buffer) => {
    output = (output + piece.toString()).slice(0, outputKeptChars);
  });
  return new Promise((resolve) => {
    child.on('message', (message) => {
      const news = canaryMessage.safeParse(message);
      if (!news.success) return;
      if (news.data.kind === 'progress') onProgress(news.data.fraction);
      else resolve(news.data.outcome);
    });
    child.once('error', (error) => resolve({ kind: 'failed', reason: error.message }));
    child.once('close', (code, signal) => {
      const why = telling(output);
      const how = signal ?? `exit code ${code}`;
      resolve({ kind: 'failed', reason: `its process ended with ${how}${why === '' ? '' : `: ${why}`}` });
    });
  });
}

/** The line that says why: a failed assertion comes before its stack trace. */
function telling(output: string): string {
  const lines = output
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
  return (lines.find((line) => /assert|error|fail/i.test(line)) ?? lines.at(-1) ?? '').slice(0, reasonChars);
}
