// Quantizes in a process of its own, which can be ended at any time.
// Why `disconnect` ends the child: nobody is left who would rename its file.

import { type ChildProcess, fork } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type QuantizeProgress, type Quantizer, quantizerMessage } from './quantize-request.ts';

const outputKeptChars = 2000;

/** Writes `request.target`; ends when `signal` aborts, and throws its reason then. The unfinished file is the caller's. */
export const quantizeInProcess: Quantizer = async (request, { signal, ...progress }) => {
  signal?.throwIfAborted();
  const child = fork(quantizerProgram(), [], { serialization: 'advanced', stdio: ['ignore', 'pipe', 'pipe', 'ipc'] });
  const kill = (): void => void child.kill('SIGKILL');
  process.once('exit', kill);
  signal?.addEventListener('abort', kill, { once: true });
  try {
    const outcome = awaitOutcome(child, progress);
    child.send(request);
    await outcome;
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  } finally {
    kill();
    process.off('exit', kill);
    signal?.removeEventListener('abort', kill);
  }
};

/** Whether the process can be started: sources that were not built have no program for it. */
export function hasQuantizerProgram(): boolean {
  return existsSync(quantizerProgram());
}

/** The compiled program: beside this file, or, when this file runs from its source, in the build's folder. */
function quantizerProgram(): string {
  const built = import.meta.url.endsWith('.ts')
    ? new URL('../../dist/src/precision/quantize-main.js', import.meta.url)
    : new URL('./quantize-main.js', import.meta.url);
  return fileURLToPath(built);
}

function awaitOutcome(child: ChildProcess, { onScaled, onTensor }: QuantizeProgress): Promise<void> {
  const output = keepOutput(child);
  return new Promise((resolve, reject) => {
    let isDone = false;
    let failure: Error | undefined;
    child.on('message', (message) => {
      const news = quantizerMessage.parse(message);
      if (news.kind === 'scaled') onScaled(news.fraction);
      else if (news.kind === 'tensor') onTensor(news.name);
      else {
        isDone = news.kind === 'done';
        if (news.kind === 'failed') failure = new Error(news.message);
        child.kill('SIGKILL');
      }
    });
    child.once('error', reject);
    child.once('close', (code, signal) => {
      if (isDone) resolve();
      else
        reject(failure ?? new Error(`the quantizing process ended with ${signal ?? `exit code ${code}`}${output()}`));
    });
  });
}

/** The last of what the child wrote: why it died stands there. */
function keepOutput({ stdout, stderr }: ChildProcess): () => string {
  let text = '';
  for (const stream of [stdout, stderr])
    stream?.on('data', (piece: Buffer) => {
      text = (text + piece.toString()).slice(-outputKeptChars);
    });
  return () => (text.trim() === '' ? '' : `: ${text.trim()}`);
}
