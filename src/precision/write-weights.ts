// Carries out a plan: checks the disk, writes beside the target, reads the result back, and gives it its name.
// Why read back: whatever bears the name is whole and is what the plan says, or it does not get the name.

import { statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { formatBytes } from '../format.ts';
import type { Libraries } from '../llama/libraries.ts';
import { readGguf } from './gguf/read.ts';
import { startPartialFile } from './partial-file.ts';
import type { QuantizePlan } from './plan-weights.ts';
import { quantizeHere } from './quantize-here.ts';
import { hasQuantizerProgram, quantizeInProcess } from './quantize-process.ts';
import type { QuantizeProgress, QuantizeRequest, Quantizer } from './quantize-request.ts';

export interface WriteOptions {
  readonly libraries: Libraries;
  /** 0 means all hardware threads. */
  readonly threads?: number;
  /** 0 to 1, in bytes of the source's tensors. */
  readonly onProgress?: (fraction: number) => void;
  readonly signal?: AbortSignal;
}

/** Writes the planned file under `target`, replacing what is there. Leaves nothing behind when it throws or is stopped. */
export async function writeWeights(plan: QuantizePlan, target: string, options: WriteOptions): Promise<void> {
  if (plan.faults.length > 0) throw new Error(plan.faults.join('\n'));
  await checkDisk(plan, target);
  const partial = startPartialFile(target);
  const folded = startPartialFile(target);
  try {
    await quantizerFor(options.libraries)(requestOf(plan, { target: partial.path, folded: folded.path }, options), {
      ...progressOf(plan, options.onProgress),
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
    await checkWritten(plan, partial.path);
    await partial.commit();
  } catch (error) {
    await partial.discard();
    throw error;
  } finally {
    await folded.discard();
  }
}

interface RequestPaths {
  readonly target: string;
  readonly folded: string;
}

function requestOf(plan: QuantizePlan, paths: RequestPaths, { threads = 0 }: WriteOptions): QuantizeRequest {
  const { source, scaling, allowRequantize, importancePath, metadata } = plan;
  return {
    source,
    target: paths.target,
    types: plan.weights.tensors.map(({ name, to }) => [name, to] as const),
    allowRequantize,
    ...(scaling === undefined ? {} : { scaling: { steps: scaling.steps, foldedPath: paths.folded } }),
    importancePath,
    metadata,
    threads,
  };
}

/** Another process where there is a program for it; sources that were not built have only this one. */
function quantizerFor(libraries: Libraries): Quantizer {
  return hasQuantizerProgram() ? quantizeInProcess : (request, progress) => quantizeHere(libraries, request, progress);
}

/** Room that is left free: a file system without any is of no use to anybody else on it. */
const spareBytes = 16 * 2 ** 20;

/** Throws unless the file fits on the disk, and what scaling makes on the way to it. */
export async function checkDisk(
  { fileBytes, scaling }: Pick<QuantizePlan, 'fileBytes' | 'scaling'>,
  target: string,
): Promise<void> {
  const folder = dirname(target);
  const { bavail, bsize } = await statfs(folder);
  const free = bavail * bsize;
  const foldedBytes = scaling?.foldedBytes ?? 0;
  const needed = fileBytes + foldedBytes + spareBytes;
  if (free >= needed) return;
  const folded =
    scaling === undefined ? '' : `, ${formatBytes(foldedBytes)} for the scaled model until it is quantized,`;
  throw new Error(
    `the disk must have ${formatBytes(needed)} free (${formatBytes(fileBytes)} for the file${folded} and ` +
      `${formatBytes(spareBytes)} to spare). Found: ${formatBytes(free)} in ${folder}`,
  );
}

/** Scaling quantizes twenty times to choose. */
const scalingShare = 0.8;

/** Turns "this tensor is begun" into how far the whole is. */
function progressOf(
  { weights: { tensors, fromBytes }, scaling }: QuantizePlan,
  onProgress: ((fraction: number) => void) | undefined,
): Omit<QuantizeProgress, 'signal'> {
  const before = scaling === undefined ? 0 : scalingShare;
  const sizes = new Map(tensors.map((tensor) => [tensor.name, tensor.fromBytes]));
  let finishedBytes = 0;
  let currentBytes = 0;
  return {
    onScaled: (fraction) => onProgress?.(fraction * before),
    onTensor(name) {
      finishedBytes += currentBytes;
      currentBytes = sizes.get(name) ?? 0;
      onProgress?.(before + (fromBytes === 0 ? 0 : ((1 - before) * finishedBytes) / fromBytes));
    },
  };
}

/** Throws unless the file is whole and every tensor is what was planned. */
export async function checkWritten({ weights }: Pick<QuantizePlan, 'weights'>, path: string): Promise<void> {
  const written = await readGguf(path);
  const types = new Map(written.tensors.map(({ name, type }) => [name, type]));
  for (const { name, to } of weights.tensors)
    if (types.get(name) !== to)
      throw new Error(`the written file must have ${name} in ${to}. Found: ${types.get(name) ?? 'no such tensor'}`);
  if (written.tensors.length !== weights.tensors.length)
    throw new Error(`the written file must have ${weights.tensors.length} tensors. Found: ${written.tensors.length}`);
}
