// Which steps are timed in each KV layout so that the costs of kv/layout-model can be told apart, for a load and within a cache. Pure.
// Why at the load's own depth and number of rows: what the model is asked for afterwards then lies beside what was measured.
//
//   state     cells before                                       steps timed
//   shallow   a few of each sequence                             all rows, a quarter of them, a large and a small chunk beside
//   beside    the same, and as many of sequences that stand by   all rows, a quarter of them                          (pool alone)
//   deep      as many of each sequence as it has of the load     all rows, a large chunk beside
//   trunk     the same, the shared prefix in one copy            all rows                 (pool alone, where the load shares one)

import type { KvLayout } from '../../kernel-port.ts';
import { ownCellsOf } from '../../kv/layout-model/load-speed.ts';
import type { ExpectedLoad, StepShape } from '../../kv/layout-model/types.ts';

export const cacheStates = ['shallow', 'beside', 'deep', 'trunk'] as const;
export type CacheState = (typeof cacheStates)[number];

export interface PlannedStep {
  readonly state: CacheState;
  readonly shape: StepShape;
}

export interface LayoutSizes {
  /** Sequences that decode. */
  readonly rows: number;
  /** Cells of a sequence in the shallow state, and in the deep one. */
  readonly shallowTokens: number;
  readonly deepTokens: number;
  /** Of the deep ones, in the state `trunk`; 0 where the load shares none. */
  readonly trunkTokens: number;
  /** Sequences of the deep length that stand by in the state `beside`; 0 where there is no room for any. */
  readonly besideCount: number;
  /** Timed at a stretch, behind one that is not. */
  readonly stepCount: number;
  readonly chunkTokens: number;
}

export interface SizesWish {
  readonly load: ExpectedLoad;
  readonly sequencesMax: number;
  /** Cells that a cache of either layout may have here. */
  readonly cellsMax: number;
  /** Tokens that the kernels compute at once. */
  readonly microBatch: number;
  /** For one stretch of steps, or one chunk. */
  readonly visitMs: number;
  /** Of all rows. */
  readonly stepMs: number;
  readonly promptMsPerToken: number;
}

/** Native ids that are left for sequences that stand by; a pool has 255. */
const besideMax = 63;
const rowsMax = 192;
/** llama.cpp pads the cells of each stream to this. */
const cellsPadding = 256;
const shallowTokensMax = 32;
const stepsMin = 2;
const stepsMax = 24;
const chunkTokensMin = 4;
/** Of less no smaller one can be timed, too. */
const chunkTokensLeast = 2;
const deepTokensLeast = 4;
/** What a chunk costs is found out with at least so many tokens, however short the load's prompts are. */
const chunkTokensUseful = 32;
/** Shares of what a chunk may take at most: of the deep cells, so that a chunk there lies deeper than one that begins a prompt. */
const chunkDepthShare = 0.5;
/** A pool has at least so many cells that stand by: what they cost must show. */
const besideCellsWanted = 4096;
/** Of the cells that a cache may have: those beside sequences of little length. */
const besideShare = 0.6;

/** Undefined where nothing could be told apart: `unsizedReason` says why. */
export function layoutSizes(wish: SizesWish): LayoutSizes | undefined {
  const { load, cellsMax, microBatch, visitMs, stepMs, promptMsPerToken } = wish;
  const rows = rowsOf(wish);
  const stepCount = clamp(Math.round(visitMs / stepMs), stepsMin, stepsMax);
  const slabMax = cellsPadding * Math.floor(cellsMax / rows / cellsPadding) - stepCount - 1;
  const deepTokens = Math.min(deepTokensOf(load), slabMax);
  if (deepTokens < deepTokensLeast) return undefined;
  const largestChunk = Math.min(
    Math.max(load.promptTokens, chunkTokensUseful),
    chunkDepthShare * deepTokens,
    microBatch - rows,
  );
  const chunkTokens = clamp(Math.floor(visitMs / promptMsPerToken), chunkTokensMin, Math.floor(largestChunk));
  if (chunkTokens < chunkTokensLeast) return undefined;
  const besideCells = Math.min(Math.max(rows * deepTokens, besideCellsWanted), besideShare * cellsMax);
  return {
    rows,
    shallowTokens: Math.min(shallowTokensMax, deepTokens >> 2),
    deepTokens,
    trunkTokens: Math.min(load.sharedTokens, deepTokens - 1),
    besideCount: Math.min(besideMax, Math.floor(besideCells / deepTokens)),
    stepCount,
    chunkTokens,
  };
}

/** Of what stood in the way, what the operator can change comes first. */
export function unsizedReason(wish: SizesWish): string {
  const { load, microBatch } = wish;
  const rowsNeeded = rowsOf(wish) + chunkTokensLeast;
  if (microBatch < rowsNeeded)
    return `--micro-batch and --step-tokens must be >= ${rowsNeeded} for a chunk of a prompt beside ${rowsOf(wish)} rows. Given: ${microBatch}`;
  if (deepTokensOf(load) < deepTokensLeast)
    return `requests must hold ${deepTokensLeast} tokens or more, half of the answer's among them. Given: ${deepTokensOf(load)}`;
  return 'the cache is too small to tell anything';
}

function rowsOf({ load, sequencesMax }: SizesWish): number {
  return Math.min(load.streams, sequencesMax, rowsMax);
}

/** Cells of a sequence of the load, as a mean over its decoding. */
export function deepTokensOf(load: ExpectedLoad): number {
  return Math.round(load.sharedTokens + ownCellsOf(load));
}

function clamp(value: number, least: number, most: number): number {
  return Math.min(Math.max(value, least), most);
}

/** Cells of a slab that all of it fits into, or of a pool. */
export function cellsNeeded(layout: KvLayout, sizes: LayoutSizes): number {
  const { rows, shallowTokens, deepTokens, besideCount, stepCount, chunkTokens } = sizes;
  const slab = deepTokens + stepCount + 1;
  if (layout === 'per-sequence') return padded(slab) * rows;
  const beside = rows * (shallowTokens + stepCount + 1) + besideCount * deepTokens;
  return padded(Math.max(rows * slab, beside) + chunkTokens);
}

function padded(cells: number): number {
  return cellsPadding * Math.ceil(cells / cellsPadding);
}

export function plannedSteps(layout: KvLayout, sizes: LayoutSizes): readonly PlannedStep[] {
  const { rows, shallowTokens, besideCount, trunkTokens, chunkTokens } = sizes;
  const few = Math.max(1, rows >> 2);
  const shallow = { depth: shallowTokens, idleCells: 0, trunk: 0 };
  const beside = { ...shallow, idleCells: besideCount * sizes.deepTokens };
  const deep = { ...shallow, depth: sizes.deepTokens };
  const trunk = { ...deep, trunk: trunkTokens };
  const smallChunk = Math.max(1, chunkTokens >> 2);
  const isPool = layout === 'pooled';
  return [
    { state: 'shallow', shape: decoding(sizes, rows, shallow) },
    { state: 'shallow', shape: decoding(sizes, few, shallow) },
    { state: 'shallow', shape: reading(sizes, chunkTokens, shallow) },
    { state: 'shallow', shape: reading(sizes, smallChunk, shallow) },
    ...(isPool && besideCount > 0
      ? ([
          { state: 'beside', shape: decoding(sizes, rows, beside) },
          { state: 'beside', shape: decoding(sizes, few, beside) },
        ] as const)
      : []),
    { state: 'deep', shape: decoding(sizes, rows, deep) },
    { state: 'deep', shape: reading(sizes, chunkTokens, deep) },
    ...(isPool && trunkTokens > 0 ? ([{ state: 'trunk', shape: decoding(sizes, rows, trunk) }] as const) : []),
  ];
}

interface Cells {
  /** Of each sequence, its share of the trunk included. */
  readonly depth: number;
  readonly idleCells: number;
  readonly trunk: number;
}

/** Rows of a stretch of steps, each of which adds a cell to each of them: the mean of them. */
function decoding({ rows: all, stepCount }: LayoutSizes, rows: number, { depth, idleCells, trunk }: Cells): StepShape {
  const grown = (stepCount + 1) / 2 + 1;
  return {
    rows,
    ownCells: depth - trunk + grown,
    sharedCells: trunk,
    promptTokens: 0,
    promptDepth: 0,
    usedCells: trunk + all * (depth - trunk) + rows * grown + idleCells,
  };
}

/** The last sequence's prompt is read beside the others' rows; it ends where the sequence otherwise would, or begins it. */
function reading({ rows: all }: LayoutSizes, promptTokens: number, { depth }: Cells): StepShape {
  const from = Math.max(0, depth - promptTokens);
  return {
    rows: all - 1,
    ownCells: depth + 1,
    sharedCells: 0,
    promptTokens,
    promptDepth: from + promptTokens / 2,
    usedCells: (all - 1) * (depth + 1) + from + promptTokens,
  };
}
