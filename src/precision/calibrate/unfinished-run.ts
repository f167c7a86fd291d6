// What an interrupted calibration has measured, so that the next start goes on to the same sums, to the bit.
// Why a GGUF file of float64 sums: the finished file's float32 would round at every interruption.
// Why keyed by everything that the sums depend on: another text, model or context finds nothing here.

import { existsSync, rmSync } from 'node:fs';
import { type GgufFile, metadataValue, readGguf, tensorPieces } from '../gguf/read.ts';
import { arrayEntry, entryValues, scalarEntry } from '../gguf/values.ts';
import { type TensorPlan, writeGguf } from '../gguf/write.ts';
import type { ActivationSums, SumsByTensor } from './sums.ts';

export interface UnfinishedRun {
  readonly sums: SumsByTensor;
  /** Windows that are in the sums. */
  readonly doneCount: number;
}

export type FoundRun =
  | ({ readonly kind: 'found' } & UnfinishedRun)
  | { readonly kind: 'none' }
  /** There is something, but not of this run. */
  | { readonly kind: 'other'; readonly reason: string };

const keys = { run: 'octet.calibrate.run', done: 'octet.calibrate.done', routed: 'octet.calibrate.routed' } as const;
const squaresSuffix = '.squares';
const countsSuffix = '.counts';
const maximaSuffix = '.maxima';

/** Where a run that writes `target` keeps what it has. */
export function unfinishedPath(target: string): string {
  return `${target}.partial`;
}

/** Writes it whole, in place of what an earlier call wrote. */
export async function writeUnfinishedRun(
  path: string,
  runKey: string,
  { sums, doneCount }: UnfinishedRun,
): Promise<void> {
  const contents = new Map<string, Float64Array>();
  const tensors: TensorPlan[] = [];
  const add = (name: string, values: Float64Array, shape: readonly number[]) => {
    contents.set(name, values);
    tensors.push({ name, shape, type: 'f64' });
  };
  for (const [name, { squares, counts, maxima, inputCount, matrixCount }] of sums) {
    add(name + squaresSuffix, squares, [inputCount, matrixCount]);
    add(name + countsSuffix, counts, [matrixCount]);
    add(name + maximaSuffix, Float64Array.from(maxima), [inputCount, matrixCount]);
  }
  const routed = [...sums].filter(([, { isRouted }]) => isRouted).map(([name]) => name);
  const entries = [
    scalarEntry(keys.run, 'string', runKey),
    scalarEntry(keys.done, 'uint32', doneCount),
    arrayEntry(keys.routed, 'string', routed),
  ];
  await writeGguf(path, { entries, tensors }, ({ name }) => {
    const values = contents.get(name) ?? new Float64Array(0);
    return [new Uint8Array(values.buffer, values.byteOffset, values.byteLength)];
  });
}

/** What is there for a run with this key. */
export async function readUnfinishedRun(path: string, runKey: string): Promise<FoundRun> {
  if (!existsSync(path)) return { kind: 'none' };
  try {
    const file = await readGguf(path);
    if (metadataValue(file, keys.run) !== runKey)
      return { kind: 'other', reason: 'it is of another model, text or setting' };
    return { kind: 'found', sums: await readSums(file), doneCount: Number(metadataValue(file, keys.done)) };
  } catch (error) {
    return { kind: 'other', reason: error instanceof Error ? error.message : String(error) };
  }
}

async function readSums(file: GgufFile): Promise<SumsByTensor> {
  const routedEntry = file.entries.find(({ key }) => key === keys.routed);
  const routed = new Set(routedEntry === undefined ? [] : entryValues(routedEntry));
  const sums = new Map<string, ActivationSums>();
  for (const { name } of file.tensors) {
    if (!name.endsWith(squaresSuffix)) continue;
    const tensor = name.slice(0, -squaresSuffix.length);
    const squares = await readDoubles(file, name);
    const counts = await readDoubles(file, tensor + countsSuffix);
    sums.set(tensor, {
      squares,
      counts,
      inputCount: squares.length / counts.length,
      matrixCount: counts.length,
      isRouted: routed.has(tensor),
      maxima: Float32Array.from(await readDoubles(file, tensor + maximaSuffix)),
    });
  }
  return sums;
}

async function readDoubles(file: GgufFile, name: string): Promise<Float64Array> {
  const parts: Uint8Array[] = [];
  for await (const piece of tensorPieces(file, name)) parts.push(piece);
  const bytes = new Uint8Array(Buffer.concat(parts));
  return new Float64Array(bytes.buffer, bytes.byteOffset, bytes.length / 8);
}

/** The run is finished: nothing is left to go on with. */
export function removeUnfinishedRun(path: string): void {
  rmSync(path, { force: true });
}
