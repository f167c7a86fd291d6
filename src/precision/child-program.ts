// A compiled program run as a child process for one request: it ends with its caller, with the caller's signal, and with its answer.
// Why processes: what ends one (a failed assertion of ggml, a GPU, an interruption) must leave the caller standing.

import type { ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** A compiled program's file by its path in the build, such as `src/precision/quantize-main.js`; also where this file runs from its source. */
export function programFile(place: string): string {
  const build = import.meta.url.endsWith('.ts') ? '../../dist/' : '../../';
  return fileURLToPath(new URL(build + place, import.meta.url));
}

/** Answers what `outcome` does; the child is ended then, or when `signal` aborts, or with this process. Throws the signal's reason when it did. */
export async function untilAnswered<T>(
  child: ChildProcess,
  outcome: Promise<T>,
  signal: AbortSignal | undefined,
): Promise<T> {
  const kill = (): void => void child.kill('SIGKILL');
  process.once('exit', kill);
  signal?.addEventListener('abort', kill, { once: true });
  try {
    return await outcome;
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  } finally {
    kill();
    process.off('exit', kill);
    signal?.removeEventListener('abort', kill);
  }
}

/** Keeps the last `charsMax` characters of what the child writes: why it died stands there. */
export function keepOutput({ stdout, stderr }: ChildProcess, charsMax: number): () => string {
  let text = '';
  for (const stream of [stdout, stderr])
    stream?.on('data', (piece: Buffer) => {
      text = (text + piece.toString()).slice(-charsMax);
    });
  return () => text.trim();
}
