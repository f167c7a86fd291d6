// The limit on the weights cache's size: makes room when a new entry comes, the longest unused first.
// Why the limit is written down: `octet cache` shows it, and it was a flag of a server.

import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { type CacheEntry, isInUse, listEntries, removeEntry } from './entries.ts';

const limitSchema = z.object({ bytesMax: z.number().min(0) });

function limitPath(folder: string): string {
  return join(folder, 'limit.json');
}

/** Remembers the limit that the last server had; 0 is none. A folder that cannot be written is left as it is. */
export async function rememberLimit(folder: string, bytesMax: number): Promise<void> {
  const unfinished = `${limitPath(folder)}.${process.pid}`;
  try {
    if ((await recallLimit(folder)) === bytesMax) return;
    await writeFile(unfinished, JSON.stringify({ bytesMax }));
    await rename(unfinished, limitPath(folder));
  } catch {
    await rm(unfinished, { force: true });
  }
}

/** The remembered limit; 0 is none. */
export async function recallLimit(folder: string): Promise<number> {
  try {
    return limitSchema.parse(JSON.parse(await readFile(limitPath(folder), 'utf8'))).bytesMax;
  } catch {
    return 0;
  }
}

export interface TrimOptions {
  readonly bytesMax: number;
  /** The path of an entry that stays whatever it takes. */
  readonly kept: string;
}

export interface Trimmed {
  readonly removed: readonly CacheEntry[];
  /** What the entries that are left take; more than the limit where the rest is in use. */
  readonly bytesLeft: number;
}

/** Removes entries until the rest fits, the longest unused first; never `kept` nor what a server uses. */
export async function trimEntries(folder: string, { bytesMax, kept }: TrimOptions): Promise<Trimmed> {
  const entries = await listEntries(folder);
  const nowMs = Date.now();
  let bytesLeft = entries.reduce((sum, { bytes }) => sum + bytes, 0);
  const removed: CacheEntry[] = [];
  for (const entry of entries.toReversed()) {
    if (bytesLeft <= bytesMax) break;
    if (entry.path === kept || isInUse(entry, nowMs)) continue;
    await removeEntry(entry);
    removed.push(entry);
    bytesLeft -= entry.bytes;
  }
  return { removed, bytesLeft };
}
