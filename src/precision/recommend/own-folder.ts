// A folder for what a search makes on the way: gone when the search is over, also when the process is ended by a signal.

import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';

export interface OwnFolder {
  readonly path: string;
  remove(): Promise<void>;
}

const removing = { recursive: true, force: true } as const;
const triesMax = 40;
const tryAgainMs = 25;

/** Files that were being written when the process was told to end appear until their threads are done. */
function removeNow(path: string): void {
  for (let tries = 0; tries < triesMax && existsSync(path); tries++) {
    try {
      rmSync(path, removing);
    } catch {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, tryAgainMs);
    }
  }
}

/** Makes `prefix` and some letters in an existing folder. */
export function makeOwnFolder(parent: string, prefix: string): OwnFolder {
  const path = mkdtempSync(join(parent, prefix));
  const removeAtExit = (): void => removeNow(path);
  process.once('exit', removeAtExit);
  return {
    path,
    async remove() {
      process.off('exit', removeAtExit);
      await rm(path, removing);
    },
  };
}
