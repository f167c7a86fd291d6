// One process at a time prepares an entry of the cache; others wait and then find it there.
// Why a heartbeat and not a process id: caches are shared between containers, whose ids mean nothing to one another.

import { rmSync } from 'node:fs';
import { open, rm, stat, utimes } from 'node:fs/promises';

export interface Lock {
  release(): Promise<void>;
}

export interface LockTimes {
  /** A holder that has not shown itself for so long is gone. */
  readonly staleMs: number;
  readonly pollMs: number;
}

const timesDefault: LockTimes = { staleMs: 20_000, pollMs: 200 };

/**
 * Takes the lock file `path`; or answers undefined as soon as `isDone` says that what it guards is there. Waits otherwise.
 * Throws when `signal` aborts or the folder cannot be written.
 */
export async function takeLock(
  path: string,
  isDone: () => Promise<boolean>,
  { times = timesDefault, signal }: { readonly times?: LockTimes; readonly signal?: AbortSignal } = {},
): Promise<Lock | undefined> {
  for (;;) {
    signal?.throwIfAborted();
    if (await isDone()) return undefined;
    if (await create(path)) return hold(path, times);
    // Two that find it stale at once may both get it: the work is done twice then, and the rename at its end is atomic.
    if (await isStale(path, times.staleMs)) await rm(path, { force: true });
    else await sleep(times.pollMs);
  }
}

async function create(path: string): Promise<boolean> {
  try {
    await (await open(path, 'wx')).close();
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
    throw error;
  }
}

function hold(path: string, { staleMs }: LockTimes): Lock {
  const beat = setInterval(() => {
    const now = new Date();
    utimes(path, now, now).catch(() => undefined);
  }, staleMs / 5);
  beat.unref();
  const removeAtExit = (): void => rmSync(path, { force: true });
  process.once('exit', removeAtExit);
  return {
    async release() {
      clearInterval(beat);
      process.off('exit', removeAtExit);
      await rm(path, { force: true });
    },
  };
}

async function isStale(path: string, staleMs: number): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  return found !== undefined && Date.now() - found.mtimeMs > staleMs;
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}
