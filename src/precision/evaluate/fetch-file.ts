// Evaluation files by path or URL: what was downloaded once is kept in the user's cache folder.
// Why a digest of the URL in the name: two sites may call their file test.jsonl.

import { createHash } from 'node:crypto';
import { mkdir, readFile, rename, stat, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { basename, join } from 'node:path';

const bytesMax = 256 * 2 ** 20;
const silenceMsMax = 60_000;

export interface EvaluationFile {
  /** As the user wrote it. */
  readonly path: string;
  readonly text: string;
  readonly sha256: string;
}

/** Reads a UTF-8 file, which is downloaded first when it is a URL. Throws with the reason when it cannot. */
export async function readEvaluationFile(source: string): Promise<EvaluationFile> {
  const local = /^https?:\/\//i.test(source) ? await download(source) : source;
  const found = await stat(local).catch(() => undefined);
  if (found === undefined || !found.isFile()) throw new Error(`the file to read does not exist: ${source}`);
  if (found.size > bytesMax)
    throw new Error(`a file to read must have at most ${bytesMax} bytes. Given: ${found.size} in ${source}`);
  const bytes = await readFile(local);
  return { path: source, text: bytes.toString('utf8'), sha256: createHash('sha256').update(bytes).digest('hex') };
}

function cacheFolder(): string {
  const cache = process.env['XDG_CACHE_HOME'] ?? process.env['LOCALAPPDATA'] ?? join(homedir(), '.cache');
  return join(cache, 'octet', 'evals');
}

async function download(url: string): Promise<string> {
  const digest = createHash('sha256').update(url).digest('hex').slice(0, 16);
  const path = join(cacheFolder(), `${digest}-${basename(new URL(url).pathname) || 'file'}`);
  if ((await stat(path).catch(() => undefined)) !== undefined) return path;
  const response = await fetch(url, { signal: AbortSignal.timeout(silenceMsMax) }).catch((error: unknown) => {
    throw new Error(`cannot download ${url}: ${error instanceof Error ? error.message : String(error)}`);
  });
  if (!response.ok) throw new Error(`cannot download ${url}: the server answered ${response.status}`);
  const bytes = Buffer.from(await response.arrayBuffer());
  if (bytes.length > bytesMax)
    throw new Error(`a file to read must have at most ${bytesMax} bytes. Given: ${bytes.length} at ${url}`);
  await mkdir(cacheFolder(), { recursive: true });
  // Renamed when whole, so that an interrupted download is never taken for the file.
  await writeFile(`${path}.${process.pid}`, bytes);
  await rename(`${path}.${process.pid}`, path);
  return path;
}
