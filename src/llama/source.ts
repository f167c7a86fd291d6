// From what `--model` says (a path, a URL or hf:owner/repo:QUANT) to a GGUF file on this machine.
// Why node-llama-cpp's downloader: it resolves quantization names and split files, fetches in parallel and resumes.
// Why the file's first bytes are looked at: a saved web page or a pointer file should be called what it is, not a crash.

import { open, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { basename, join } from 'node:path';

export interface DownloadProgress {
  readonly downloadedBytes: number;
  readonly totalBytes: number;
}

export interface SourceOptions {
  /** Where downloads are kept, and found again. */
  readonly directory: string;
  readonly onProgress?: (progress: DownloadProgress) => void;
  readonly signal?: AbortSignal;
  /** Gives up after this long without a byte. The downloader alone would try for a quarter of an hour. */
  readonly silenceMsMax?: number;
}

const silenceMsMaxDefault = 60_000;

/** Where downloaded models live unless told otherwise. */
export function defaultModelDirectory(): string {
  const cache = process.env['XDG_CACHE_HOME'] ?? process.env['LOCALAPPDATA'] ?? join(homedir(), '.cache');
  return join(cache, 'octet', 'models');
}

/** Whether a model has to be downloaded (unless it was already). */
export function isRemote(source: string): boolean {
  return /^(https?:\/\/|hf:|huggingface:)/i.test(source);
}

/**
 * The path of the model's file, which is downloaded first if need be; of a split model, the first part.
 * An interrupted download goes on where it stopped. Throws with a message for the operator.
 */
export async function resolveModelSource(source: string, options: SourceOptions): Promise<string> {
  const path = isRemote(source) ? await download(source, options) : source;
  await checkGguf(path);
  return path;
}

async function download(source: string, { directory, onProgress, ...limits }: SourceOptions): Promise<string> {
  // Loaded only here: the library takes half a second, and most starts need no download.
  const { resolveModelFile } = await import('node-llama-cpp');
  const silence = watchSilence(limits);
  let downloadedBytes = -1;
  try {
    const resolving = resolveModelFile(source, {
      directory,
      cli: false,
      deleteTempFileOnCancel: false,
      signal: silence.signal,
      onProgress({ totalSize, downloadedSize }) {
        if (downloadedSize !== downloadedBytes) silence.broken();
        downloadedBytes = downloadedSize;
        onProgress?.({ downloadedBytes, totalBytes: totalSize });
      },
    });
    // The downloader listens to the signal only once it has reached the server.
    return await Promise.race([resolving, silence.aborted]);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`cannot download the model ${source} to ${directory}: ${reason}`);
  } finally {
    silence.stop();
  }
}

/** A signal that aborts when `broken` is not called for too long, or when the caller's own signal does. */
function watchSilence({ signal, silenceMsMax = silenceMsMaxDefault }: Pick<SourceOptions, 'signal' | 'silenceMsMax'>) {
  const controller = new AbortController();
  const reason = new Error(
    `nothing came for ${silenceMsMax / 1000} seconds; what is there is kept, and a new start goes on`,
  );
  const timer = setTimeout(() => controller.abort(reason), silenceMsMax);
  const either = signal === undefined ? controller.signal : AbortSignal.any([signal, controller.signal]);
  return {
    signal: either,
    aborted: new Promise<never>((_, reject) => {
      either.addEventListener('abort', () => reject(either.reason), { once: true });
    }),
    broken: () => timer.refresh(),
    stop: () => clearTimeout(timer),
  };
}

const magic = 'GGUF';
/** Magic, version, and two counts of 8 bytes. */
const headerBytes = 24;
const versionsKnown: readonly number[] = [2, 3];

/** Throws unless `path` is a file that begins as a GGUF file does. */
export async function checkGguf(path: string): Promise<void> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) throw new Error(`the model file does not exist: ${path}`);
  if (!found.isFile()) throw new Error(`the model must be a GGUF file. Given: ${path}, which is none`);
  if (found.size < headerBytes)
    throw new Error(`the model file must have at least ${headerBytes} bytes. Given: ${path} with ${found.size}`);
  const header = await readHeader(path);
  const start = header.toString('latin1', 0, 4);
  if (start !== magic)
    throw new Error(
      `the model must be a GGUF file, which begins with "${magic}". ${basename(path)} begins with ${JSON.stringify(start)}`,
    );
  const version = header.readUInt32LE(4);
  if (!versionsKnown.includes(version))
    throw new Error(`the GGUF version must be ${versionsKnown.join(' or ')}. ${basename(path)} has ${version}`);
}

async function readHeader(path: string): Promise<Buffer> {
  const file = await open(path);
  try {
    const header = Buffer.alloc(headerBytes);
    await file.read(header, 0, headerBytes, 0);
    return header;
  } finally {
    await file.close();
  }
}
