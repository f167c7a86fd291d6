// The entries of the weights cache: a GGUF file each, and beside it a note of what it is and when it was last used.
// Why a note file: file systems often do not keep the time of the last reading, and a name cannot hold everything.

import { readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';

const note = z.object({ model: z.string(), source: z.string(), format: z.string() });
export type EntryNote = Readonly<z.infer<typeof note>>;

export interface CacheEntry extends EntryNote {
  readonly path: string;
  readonly bytes: number;
  readonly lastUsedMs: number;
}

/** Where results of the precision gate's canaries are kept, within the cache's folder, and those of tuning runs. */
export const canaryFolder = 'canary';
export const tuningFolder = 'tuning';

/** A server that serves an entry says so this often, and an entry counts as in use for three times as long. */
export const useIntervalMs = 60_000;
const inUseMs = 3 * useIntervalMs;
/** Unfinished files and locks of processes that are gone. */
const abandonedMs = 3_600_000;

/** The note beside an entry's file. */
function notePath(path: string): string {
  return path.replace(/\.gguf$/, '.json');
}

/** Notes what an entry is; written before the entry gets its name. */
export async function writeNote(path: string, content: EntryNote): Promise<void> {
  await writeFile(notePath(path), `${JSON.stringify(content, null, 2)}\n`);
}

/** Marks an entry as used now; in a folder that cannot be written, nothing. */
export async function markUsed(path: string): Promise<void> {
  const now = new Date();
  await utimes(notePath(path), now, now).catch(() => undefined);
}

/** Keeps marking an entry as used until the answered function is called. */
export function keepUsed(path: string): () => void {
  const timer = setInterval(() => void markUsed(path), useIntervalMs);
  timer.unref();
  return () => clearInterval(timer);
}

/** All whole entries of a folder, the last used first; none when there is no such folder. */
export async function listEntries(folder: string): Promise<CacheEntry[]> {
  const names = await namesIn(folder);
  const entries = await Promise.all(
    names.filter((name) => /^[^.].*\.gguf$/.test(name)).map((name) => readEntry(join(folder, name))),
  );
  return entries.filter((entry) => entry !== undefined).sort((a, b) => b.lastUsedMs - a.lastUsedMs);
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw error;
  }
}

async function readEntry(path: string): Promise<CacheEntry | undefined> {
  const file = await stat(path).catch(() => undefined);
  if (file === undefined) return undefined;
  const [used, content] = await Promise.all([
    stat(notePath(path)).catch(() => undefined),
    readFile(notePath(path), 'utf8')
      .then((text) => note.parse(JSON.parse(text)))
      .catch(() => ({ model: path, source: '', format: 'unknown' })),
  ]);
  return { ...content, path, bytes: file.size, lastUsedMs: used?.mtimeMs ?? file.mtimeMs };
}

export interface Cleared {
  readonly removed: readonly CacheEntry[];
  /** Kept because a server uses them. */
  readonly inUse: readonly CacheEntry[];
}

export interface ClearOptions {
  /** Only entries that were not used for so long. */
  readonly olderThanMs?: number;
  /** Also what a server uses: it could not start its engine again. */
  readonly force?: boolean;
}

/** Removes entries, and what dead processes left. */
export async function clearEntries(
  folder: string,
  { olderThanMs = 0, force = false }: ClearOptions = {},
): Promise<Cleared> {
  const now = Date.now();
  const old = (await listEntries(folder)).filter(({ lastUsedMs }) => now - lastUsedMs >= olderThanMs);
  const inUse = force ? [] : old.filter((entry) => isInUse(entry, now));
  const removed = old.filter((entry) => !inUse.includes(entry));
  for (const entry of removed) await removeEntry(entry);
  await removeAbandoned(folder);
  for (const results of [canaryFolder, tuningFolder]) await removeResults(join(folder, results), now - olderThanMs);
  return { removed, inUse };
}

/** Whether a server has said lately that it uses the entry. */
export function isInUse({ lastUsedMs }: CacheEntry, nowMs: number): boolean {
  return nowMs - lastUsedMs < inUseMs;
}

export async function removeEntry({ path }: CacheEntry): Promise<void> {
  await rm(path, { force: true });
  await rm(notePath(path), { force: true });
}

/** Results that were kept before; they are measured again where they are missed. */
async function removeResults(folder: string, beforeMs: number): Promise<void> {
  for (const name of await namesIn(folder)) {
    const path = join(folder, name);
    const found = await stat(path).catch(() => undefined);
    if (found !== undefined && found.mtimeMs <= beforeMs) await rm(path, { force: true });
  }
}

async function removeAbandoned(folder: string): Promise<void> {
  for (const name of await namesIn(folder)) {
    if (!/\.(partial|lock)$/.test(name)) continue;
    const path = join(folder, name);
    const found = await stat(path).catch(() => undefined);
    if (found !== undefined && Date.now() - found.mtimeMs > abandonedMs) await rm(path, { force: true });
  }
}
