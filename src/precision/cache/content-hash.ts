// What a model file is, by its content; remembered by path, size and time, so that 100 GB are not read at every start.
// Why content and not path: files move, get other names, and are replaced under the same one.

import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, readFile, realpath, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';

const memory = z.record(
  z.string(),
  z.object({ bytes: z.number(), modifiedMs: z.number(), inode: z.number(), sha256: z.string() }),
);
type Memory = z.infer<typeof memory>;

const readBytes = 1 << 20;
/** More would be files that are long gone. */
const rememberedMax = 1000;

/**
 * SHA-256 of a file, in hex. Reads it whole unless `folder` remembers it unchanged; a folder that cannot be written only
 * costs reading again. `onBytes` tells how many were read so far.
 */
export async function contentHash(path: string, folder: string, onBytes?: (bytes: number) => void): Promise<string> {
  const real = await realpath(path);
  const { size, mtimeMs, ino } = await stat(real);
  const known = await recallHash(real, folder, { size, mtimeMs, ino });
  if (known !== undefined) return known;
  const sha256 = await hashOf(real, onBytes);
  await remember(folder, real, { bytes: size, modifiedMs: mtimeMs, inode: ino, sha256 }).catch(() => undefined);
  return sha256;
}

async function recallHash(
  real: string,
  folder: string,
  { size, mtimeMs, ino }: { readonly size: number; readonly mtimeMs: number; readonly ino: number },
): Promise<string | undefined> {
  const known = (await recall(folder))[real];
  return known?.bytes === size && known.modifiedMs === mtimeMs && known.inode === ino ? known.sha256 : undefined;
}

async function hashOf(path: string, onBytes: ((bytes: number) => void) | undefined): Promise<string> {
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const piece of createReadStream(path, { highWaterMark: readBytes })) {
    hash.update(piece);
    bytes += piece.length;
    onBytes?.(bytes);
  }
  return hash.digest('hex');
}

function memoryPath(folder: string): string {
  return join(folder, 'content-hashes.json');
}

async function recall(folder: string): Promise<Memory> {
  try {
    return memory.parse(JSON.parse(await readFile(memoryPath(folder), 'utf8')));
  } catch {
    return {};
  }
}

/** Two processes at once may lose what one of them learned; it is learned again. */
async function remember(folder: string, path: string, entry: Memory[string]): Promise<void> {
  const others = Object.entries(await recall(folder)).filter(([known]) => known !== path);
  const content = Object.fromEntries([...others, [path, entry] as const].slice(-rememberedMax));
  const unfinished = `${memoryPath(folder)}.${process.pid}`;
  await mkdir(folder, { recursive: true });
  try {
    await writeFile(unfinished, JSON.stringify(content));
    await rename(unfinished, memoryPath(folder));
  } catch (error) {
    await rm(unfinished, { force: true });
    throw error;
  }
}

/** The SHA-256 that `folder` remembers of a file that is unchanged since; undefined when it would have to be read. */
export async function rememberedHash(path: string, folder: string): Promise<string | undefined> {
  const real = await realpath(path);
  return recallHash(real, folder, await stat(real));
}
