// The grid: every weights file with every KV type. One cell is the reference that the others are compared with.

import { type KvTypes, parseKvTypes } from '../../kv-types.ts';

export interface WeightsFile {
  /** Unique in the grid: a file's name, or the format or recipe that it was made by. */
  readonly label: string;
  readonly path: string;
  /** Given as a file, or made from the model. */
  readonly origin: 'file' | 'made';
  /** What the file says it holds: `f16`, `q4_k_m`, the name of a recipe. */
  readonly format: string;
  /** The format that its values were rounded through, where it is only stored at 16 bits. */
  readonly emulated?: string;
  /** The importance matrix that it was quantized with. */
  readonly importance?: string;
  /** Of all its parts. */
  readonly fileBytes: number;
  /** Of a split model, of its first part. */
  readonly sha256: string;
}

export interface Cell {
  /** `octet-demo-f16 / q8_0`: unique in the grid. */
  readonly id: string;
  readonly weights: WeightsFile;
  readonly kv: KvTypes;
}

/** Makes weights files of what the user wrote, in order; see resolve-weights.ts. `file` is the model as it is. */
export type ResolveWeights = (wishes: readonly string[], modelPath: string) => Promise<readonly WeightsFile[]>;

export interface GridWish {
  readonly modelPath: string;
  readonly weights: readonly string[];
  readonly kv: readonly string[];
  readonly resolve: ResolveWeights;
  /** Whether the model as it is joins the grid when weights are made from it and it is not among them. */
  readonly addsModel: boolean;
}

/**
 * Reads the grid, weights by weights. Throws for an unknown KV type, weights that cannot be had, or a cell that is named
 * twice.
 */
export async function readGrid({ modelPath, weights, kv, resolve, addsModel }: GridWish): Promise<readonly Cell[]> {
  const types = kv.map((text) => {
    const parsed = parseKvTypes(text);
    if (parsed.kind === 'refused') throw new Error(parsed.message);
    return parsed.types;
  });
  const files = await resolve(weights, modelPath);
  const isComplete = files.every(({ origin }) => origin === 'file') || files.some(({ path }) => path === modelPath);
  const added = addsModel && !isComplete ? await resolve(['file'], modelPath) : [];
  // As the reference it takes one KV type, the most exact.
  const exact = types.find(isExact) ?? types[0];
  const cells = [
    ...(exact === undefined ? [] : added.map((file) => cellOf(file, exact))),
    ...files.flatMap((file) => types.map((pair) => cellOf(file, pair))),
  ];
  const twice = cells.find(({ id }, index) => cells.findIndex((cell) => cell.id === id) !== index);
  if (twice !== undefined) throw new Error(`each cell of the grid must have its own name. Given twice: ${twice.id}`);
  return cells;
}

function cellOf(weights: WeightsFile, kv: KvTypes): Cell {
  return { id: `${weights.label} / ${kvName(kv)}`, weights, kv };
}

function isExact(kv: KvTypes): boolean {
  return kvName(kv) === 'f16';
}

/** `q8_0`, or `q8_0:q4_0` where K and V differ. */
export function kvName({ k, v }: { readonly k: string; readonly v: string }): string {
  return k === v ? k : `${k}:${v}`;
}

/**
 * The cell that the others are compared with: what `--reference` names (a weights label or file, a KV type, or both with a
 * slash), or the most exact cell of the model as it is, or else the first of the grid.
 */
export function findReference(cells: readonly Cell[], wish: string | undefined, modelPath: string): Cell {
  const [first] = cells;
  if (first === undefined) throw new Error('the grid must have at least one cell. Given: none');
  if (wish === undefined) {
    const base = cells.find(({ weights }) => weights.path === modelPath) ?? first;
    return cells.find(({ weights, kv }) => weights === base.weights && isExact(kv)) ?? base;
  }
  const parts = wish
    .split('/')
    .map((part) => part.trim())
    .filter((part) => part !== '');
  const found =
    cells.find(({ id, weights }) => id === wish || weights.path === wish) ??
    cells.find(({ weights, kv }) => parts.every((part) => part === weights.label || part === kvName(kv)));
  if (found === undefined)
    throw new Error(
      `the reference must be a cell of the grid (${cells.map(({ id }) => id).join(', ')}). Given: ${wish}`,
    );
  return found;
}
