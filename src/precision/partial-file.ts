// A file under way: written beside its target under another name, and renamed when it is whole.
// Why beside it: a rename is atomic within one file system only, so nobody ever opens half a model under its real name.
// Why an exit hook: an interrupted command must leave nothing behind, however it ends (only SIGKILL is beyond us).

import { rmSync } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

export interface PartialFile {
  /** Where to write. */
  readonly path: string;
  /** Brings it to disk and gives it its name; what stood there before is replaced. */
  commit(): Promise<void>;
  /** Removes it; without effect after `commit`. */
  discard(): Promise<void>;
}

let lastNumber = 0;

/** Names of unfinished files of a target, those that other processes left included. */
export function partialPattern(target: string): RegExp {
  const name = basename(target).replace(/[^a-z0-9]/gi, '\\$&');
  return new RegExp(`^\\.${name}\\.\\d+-\\d+\\.partial$`);
}

/** Chooses a name in the target's folder; creates nothing yet. */
export function startPartialFile(target: string): PartialFile {
  lastNumber += 1;
  const path = join(dirname(target), `.${basename(target)}.${process.pid}-${lastNumber}.partial`);
  const removeAtExit = (): void => rmSync(path, { force: true });
  process.once('exit', removeAtExit);
  return {
    path,
    async commit() {
      await synchronize(path);
      await rename(path, target);
      process.off('exit', removeAtExit);
      // Windows cannot open a folder; there the rename alone has to do.
      await synchronize(dirname(target)).catch(() => undefined);
    },
    async discard() {
      process.off('exit', removeAtExit);
      await rm(path, { force: true });
    },
  };
}

/** Waits until a file's bytes, or a folder's names, are on the disk. */
async function synchronize(path: string): Promise<void> {
  const file = await open(path, 'r');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
