// Weights at the precision that was asked for: the file as it is, or quantized once and found again in the cache.
// Why choosing and preparing are two steps: what is wrong with the wish shows at once, before the server listens; the work
// may take minutes, while it answers that it is loading.

import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { formatBytes } from '../format.ts';
import type { Libraries } from '../llama/libraries.ts';
import { tensorTypes } from '../llama/tensor-types.ts';
import { contentHash } from './cache/content-hash.ts';
import { markUsed, writeNote } from './cache/entries.ts';
import { defaultWeightsFolder, writableFolder } from './cache/folder.ts';
import { rememberLimit, trimEntries } from './cache/limit.ts';
import { takeLock } from './cache/lock.ts';
import { writeEmulated } from './emulate-weights.ts';
import type { EmulatedFormat } from './formats/emulate.ts';
import { type GgufFile, metadataValue, readGguf } from './gguf/read.ts';
import { labelKey, planWeights, type QuantizePlan } from './plan-weights.ts';
import { findRecipe } from './recipes/find-recipe.ts';
import { changesNothing } from './recipes/resolve.ts';
import type { PlannedScaling } from './scaling/plan-scaling.ts';
import { weightsLabel } from './weights-label.ts';
import { checkWritten, writeWeights } from './write-weights.ts';

export interface WeightsWish {
  readonly libraries: Libraries;
  /** An existing GGUF file; of a split model, its first part. */
  readonly source: string;
  /** `auto`: int8 for files of 16 or 32 bits, others as they are. `file`: as it is. Else a format or a recipe. */
  readonly weights: string;
  /** Path of an importance matrix. */
  readonly importancePath?: string;
}

export type WeightsChoice =
  /** The file serves as it is. */
  | { readonly kind: 'file'; readonly source: string; readonly label: string; readonly bytes: number }
  /** Another file has to be made of it, or found. */
  | { readonly kind: 'made'; readonly plan: QuantizePlan; readonly label: string };

/** Weights that went through a format which the kernels lack: to evaluate, never chosen for serving. */
export interface EmulatedChoice {
  readonly kind: 'emulated';
  readonly plan: QuantizePlan;
  readonly label: string;
  readonly format: EmulatedFormat;
}

export interface PreparedWeights {
  readonly path: string;
  /** What the weights are called: `q8_0`, `int4-protected-edges`. */
  readonly label: string;
  /** The file's size. */
  readonly bytes: number;
  /** Whether it was there already. */
  readonly reused: boolean;
}

/** What the default makes of files that are not quantized. */
const formatForFloats = 'q8_0';

/** Decides what to serve, from headers alone; throws with a message for the operator when the wish cannot be met. */
export async function chooseWeights(wish: WeightsWish): Promise<WeightsChoice> {
  const weights = wish.weights.trim();
  const file = await readGguf(wish.source);
  const asItIs = { kind: 'file', source: wish.source, label: weightsLabel(file), bytes: file.fileBytes } as const;
  if (weights === 'file' || (weights === 'auto' && !isOriginal(file))) return asItIs;
  const recipe = await findRecipe(weights === 'auto' ? formatForFloats : weights);
  const { libraries, source, importancePath } = wish;
  const plan = await planWeights({
    libraries,
    source,
    recipe,
    ...(importancePath === undefined ? {} : { importancePath }),
  });
  if (changesNothing(plan.weights) && plan.scaling === undefined) return asItIs;
  if (plan.faults.length === 0) return { kind: 'made', plan, label: recipe.name };
  throw new Error(
    `cannot make ${recipe.name} weights of ${basename(source)}: ${plan.faults.join('; ')}. With "file" it is taken as it is`,
  );
}

/** Whether a file has its model's own weights: no matrix is quantized, and its precision was not chosen by `octet quantize`. */
function isOriginal(file: GgufFile): boolean {
  if (metadataValue(file, labelKey) !== undefined) return false;
  return file.tensors.every(({ type }) => tensorTypes[type].kind !== 'quantized');
}

export interface PrepareOptions {
  readonly libraries: Libraries;
  /** Where prepared weights are kept; empty means the user's cache folder. */
  readonly cacheFolder?: string;
  /** Bytes that all of them may take; 0, the default, means any. */
  readonly cacheBytesMax?: number;
  /** 0 means all hardware threads. */
  readonly threads?: number;
  readonly onProgress?: (phase: 'reading' | 'quantizing', fraction: number) => void;
  readonly warn?: (text: string) => void;
  readonly signal?: AbortSignal;
}

/**
 * The file to load for a choice, made first unless it is in the cache. Concurrent calls, also of other processes, make it
 * once. Throws when it cannot be made, or `options.signal` aborts.
 */
export async function prepareWeights(
  choice: WeightsChoice | EmulatedChoice,
  options: PrepareOptions,
): Promise<PreparedWeights> {
  if (choice.kind === 'file') return { path: choice.source, label: choice.label, bytes: choice.bytes, reused: true };
  return makeOrFind(choice, options);
}

type Made = Exclude<WeightsChoice | EmulatedChoice, { readonly kind: 'file' }>;

async function makeOrFind(made: Made, options: PrepareOptions): Promise<PreparedWeights> {
  const { plan } = made;
  const wished = options.cacheFolder || defaultWeightsFolder();
  const name = await entryName(plan, wished, options);
  const found = join(wished, name);
  if (await isThere(plan, found)) return reuse(plan, found);
  const folder = await writableFolder(wished, (text) => options.warn?.(text));
  const path = join(folder, name);
  const { signal } = options;
  const lock = await takeLock(`${path}.lock`, () => isThere(plan, path), signal === undefined ? {} : { signal });
  if (lock === undefined) return reuse(plan, path);
  try {
    const onProgress = (fraction: number) => options.onProgress?.('quantizing', fraction);
    if (made.kind === 'made') await writeWeights(plan, path, { ...options, onProgress });
    else await writeEmulated(plan, path, { ...options, onProgress, format: made.format });
    await writeNote(path, { model: basename(plan.source), source: plan.source, format: plan.label });
  } finally {
    await lock.release();
  }
  await keepWithinLimit(folder, path, options);
  return { path, label: plan.label, bytes: (await stat(path)).size, reused: false };
}

/** Makes room after a new entry, and remembers the limit for `octet cache`. */
async function keepWithinLimit(
  folder: string,
  kept: string,
  { cacheBytesMax = 0, warn }: PrepareOptions,
): Promise<void> {
  await rememberLimit(folder, cacheBytesMax);
  if (cacheBytesMax === 0) return;
  const { bytesLeft } = await trimEntries(folder, { bytesMax: cacheBytesMax, kept });
  if (bytesLeft > cacheBytesMax)
    warn?.(
      `the weights cache must take at most ${formatBytes(cacheBytesMax)}. It takes ${formatBytes(bytesLeft)}, all of it used within the last three minutes: ${folder}`,
    );
}

async function reuse(plan: QuantizePlan, path: string): Promise<PreparedWeights> {
  await markUsed(path);
  return { path, label: plan.label, bytes: (await stat(path)).size, reused: true };
}

/** Whether an entry is there and whole; one that a disk has spoiled is made again. */
function isThere(plan: QuantizePlan, path: string): Promise<boolean> {
  return checkWritten(plan, path).then(
    () => true,
    () => false,
  );
}

/** Changes when the same plan would be written in another way. */
const layoutVersion = 1;

/** The format, and a digest of everything that makes the file what it is; the source's name and place do not. */
async function entryName(plan: QuantizePlan, folder: string, options: PrepareOptions): Promise<string> {
  const importance = plan.importancePath === undefined ? '' : await contentHash(plan.importancePath, folder);
  const facts = JSON.stringify([
    layoutVersion,
    options.libraries.native.llama_version(),
    await sourceHashes(plan, folder, options),
    importance,
    plan.metadata,
    plan.weights.tensors.map(({ name, to }) => [name, to]),
    ...(plan.scaling === undefined ? [] : [await scalingFacts(plan.scaling, folder)]),
  ]);
  const digest = createHash('sha256').update(facts).digest('hex').slice(0, 16);
  return `${plainName(plan.label)}-${digest}.gguf`;
}

/** What decides the scales: each step with the content of its statistics. */
async function scalingFacts({ steps }: PlannedScaling, folder: string): Promise<unknown[]> {
  const facts: unknown[] = [];
  for (const step of steps) facts.push({ ...step, statistics: await contentHash(step.statistics, folder) });
  return facts;
}

async function sourceHashes({ file }: QuantizePlan, folder: string, options: PrepareOptions): Promise<string[]> {
  const hashes: string[] = [];
  let before = 0;
  for (const { path, fileBytes } of file.parts) {
    const onBytes = (bytes: number) => options.onProgress?.('reading', (before + bytes) / file.fileBytes);
    hashes.push(await contentHash(path, folder, onBytes));
    options.signal?.throwIfAborted();
    before += fileBytes;
  }
  return hashes;
}

/** Letters, digits and a few signs, so that the name is one on every file system. */
function plainName(text: string): string {
  return text.replace(/[^\w.+-]+/g, '_').slice(0, 80) || '_';
}
