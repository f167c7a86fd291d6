// The grid: every weights file with every KV type. One cell is the reference that the others are compared with.

import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { type KvTypes, parseKvTypes } from '../../kv-types.ts';
import { checkGguf } from '../../llama/source.ts';

export interface WeightsFile {
  readonly label: string;
  readonly path: string;
  readonly fileBytes: number;
  readonly sha256: string;
}

export interface Cell {
  /** `octet-demo-f16 / q8_0`: unique in the grid. */
  readonly id: string;
  readonly weights: WeightsFile;
  readonly kv: KvTypes;
}

/** Makes a weights file from what the user wrote; replaced by whoever can quantize. */
export type ResolveWeights = (
  wish: string,
  modelPath: string,
) => Promise<{ readonly label: string; readonly path: string }>;

/**
 * The one place where a wish for weights becomes a file: `file` is the model as it is, anything else a path of a GGUF file.
 * Number formats and recipes belong here.
 */
export const weightsFromFile: ResolveWeights = async (wish, modelPath) => {
  const path = wish === 'file' ? modelPath : wish;
  await checkGguf(path);
  return { label: basename(path).replace(/\.gguf$/i, ''), path };
};

export interface GridWish {
  readonly modelPath: string;
  readonly weights: readonly string[];
  readonly kv: readonly string[];
  readonly resolve: ResolveWeights;
}

/** Reads the grid, weights by weights. Throws for an unknown KV type, a missing file, or a cell that is named twice. */
export async function readGrid({ modelPath, weights, kv, resolve }: GridWish): Promise<readonly Cell[]> {
  const types = kv.map((text) => {
    const parsed = parseKvTypes(text);
    if (parsed.kind === 'refused') throw new Error(parsed.message);
    return parsed.types;
  });
  const cells: Cell[] = [];
  for (const wish of weights) {
    const { label, path } = await resolve(wish, modelPath);
    const file = { label, path, fileBytes: (await stat(path)).size, sha256: await fileDigest(path) };
    for (const pair of types) cells.push({ id: `${label} / ${kvName(pair)}`, weights: file, kv: pair });
  }
  const twice = cells.find(({ id }, index) => cells.findIndex((cell) => cell.id === id) !== index);
  if (twice !== undefined) throw new Error(`each cell of the grid must have its own name. Given twice: ${twice.id}`);
  return cells;
}

/** `q8_0`, or `q8_0:q4_0` where K and V differ. */
export function kvName({ k, v }: { readonly k: string; readonly v: string }): string {
  return k === v ? k : `${k}:${v}`;
}

/** The cell that `--reference` names: a weights label or file, a KV type, or both with a slash; the first cell by default. */
export function findReference(cells: readonly Cell[], wish: string | undefined): Cell {
  const parts = (wish ?? '')
    .split('/')
    .map((part) => part.trim())
    .filter((part) => part !== '');
  const [first] = cells;
  if (first === undefined) throw new Error('the grid must have at least one cell. Given: none');
  if (wish === undefined) return first;
  const found =
    cells.find(({ id, weights }) => id === wish || weights.path === wish) ??
    cells.find(({ weights, kv }) => parts.every((part) => part === weights.label || part === kvName(kv)));
  if (found === undefined)
    throw new Error(
      `the reference must be a cell of the grid (${cells.map(({ id }) => id).join(', ')}). Given: ${wish}`,
    );
  return found;
}

/** SHA-256 of a file, read once. */
export async function fileDigest(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const piece of createReadStream(path, { highWaterMark: 2 ** 20 })) hash.update(piece);
  return hash.digest('hex');
}
