// Where prepared weights are kept: the user's cache folder, or a temporary one where that cannot be written.
// Why a fallback: containers often run with a read-only root, and serving slower starts beats not serving.

import { lstat, mkdir, mkdtemp, open, rm } from 'node:fs/promises';
import { homedir, tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';

/** Where weights live unless told otherwise. */
export function defaultWeightsFolder(): string {
  const cache = process.env['XDG_CACHE_HOME'] || process.env['LOCALAPPDATA'] || join(homedir(), '.cache');
  return join(cache, 'octet', 'weights');
}

/** `wished`, made if need be; another one of this user, and a word to `warn`, when it cannot be written. */
export async function writableFolder(wished: string, warn: (text: string) => void): Promise<string> {
  try {
    await prove(wished);
    return wished;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    const folder = await temporaryFolder();
    warn(`the weights cache ${wished} cannot be written (${why}); using ${folder}, which may not outlive a restart`);
    return folder;
  }
}

/** Throws unless files can be written there. */
async function prove(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  const path = join(folder, `.probe-${process.pid}`);
  const file = await open(path, 'w');
  await file.close();
  await rm(path, { force: true });
}

/** The same one at each start, unless somebody else has put something there: then one of a new name. */
async function temporaryFolder(): Promise<string> {
  const { uid } = userInfo();
  const folder = join(tmpdir(), `octet-weights-${uid}`);
  await mkdir(folder, { mode: 0o700 }).catch(() => undefined);
  const found = await lstat(folder).catch(() => undefined);
  if (found?.isDirectory() === true && (uid < 0 || found.uid === uid)) return folder;
  return mkdtemp(join(tmpdir(), 'octet-weights-'));
}
