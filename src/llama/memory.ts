// What memory there is, and what a model's cache and compute buffers would take of it.
// Why measured and not computed from the shape: layers may differ in heads, keep a window only, or one state for everything;
// llama.cpp knows. A model loaded to `measure` lets it lay everything out without allocating, and it reports sizes in its log.

import { totalmem } from 'node:os';
import { availableMemory } from 'node:process';
import { type ContextOptions, createContext } from './context.ts';
import { keptLogitsBytes } from './graph-draw/kept-logits.ts';
import { chooseDrawing } from './graph-draw/open-graph-rows.ts';
import type { Libraries } from './libraries.ts';
import type { LlamaModel } from './model.ts';

export interface MemoryRoom {
  /** `device`: GPU memory, all devices together. `host`: the memory this process may use. */
  readonly where: 'device' | 'host';
  readonly freeBytes: number;
  readonly totalBytes: number;
}

/** The memory that weights and cache will live in. */
export function memoryRoom({ native, gpuDevices }: Libraries): MemoryRoom {
  if (gpuDevices.length === 0) return hostRoom();
  const free = new BigUint64Array(1);
  const total = new BigUint64Array(1);
  let freeBytes = 0;
  let totalBytes = 0;
  for (const device of gpuDevices) {
    native.ggml_backend_dev_memory(device, free, total);
    freeBytes += Number(free[0]);
    totalBytes += Number(total[0]);
  }
  return { where: 'device', freeBytes, totalBytes };
}

/** Host memory, container limits included. */
export function hostRoom(): MemoryRoom {
  return { where: 'host', freeBytes: availableMemory(), totalBytes: totalmem() };
}

/** What one token costs in the cache, and what does not depend on the number of tokens. */
export interface CacheCost {
  /** Layers that keep K and V of every token. */
  readonly layerCount: number;
  /** Values of K, and of V, per token in one such layer, on average. */
  readonly embeddingK: number;
  readonly embeddingV: number;
}

export interface BufferSizes {
  /** Scratch memory of the kernels, on all devices. */
  readonly computeBytes: number;
  /** Logits: in host memory, and on the device those that are kept between passes (graph-draw/kept-logits.ts). */
  readonly outputBytes: number;
  /** States of recurrent layers, which do not grow with the text. */
  readonly stateBytes: number;
  /** K and V of all cells. */
  readonly cacheBytes: number;
}

const mebibyte = 2 ** 20;
/** As many cells as a mebibyte has bytes: a size printed in MiB then is the bytes of one cell. */
const probeCells = mebibyte;
const probeTokens = 64;

/**
 * Measures what a token of cache costs, of its multi-token head if that is asked. `model` must be loaded to `measure`. About as long as
 * making a context.
 */
export async function measureCacheCost(model: LlamaModel, part: 'model' | 'head' = 'model'): Promise<CacheCost> {
  const { lines } = await contextLog({
    model,
    layout: 'pooled',
    cellCount: probeCells,
    sequencesMax: 1,
    batchTokensMax: probeTokens,
    microBatchTokens: probeTokens,
    kvTypes: { k: 'f16', v: 'f16' },
    threads: 1,
    multiToken: part === 'head' ? 'head' : undefined,
  });
  const caches = lines.map(readCacheLine).filter((cache) => cache !== undefined && cache.cells === probeCells);
  const sum = (of: (cache: CacheLine) => number) => caches.reduce((total, cache) => total + (cache ? of(cache) : 0), 0);
  const layerCount = sum((cache) => cache.layers);
  const valuesPerLayer = (bytes: number) => (layerCount === 0 ? 0 : Math.round(bytes / 2) / layerCount);
  return {
    layerCount,
    embeddingK: valuesPerLayer(sum((cache) => cache.mebibytesK)),
    embeddingV: valuesPerLayer(sum((cache) => cache.mebibytesV)),
  };
}

/** Measures the buffers of a context with these options. `options.model` must be loaded to `measure`. */
export async function measureBuffers(options: ContextOptions): Promise<BufferSizes> {
  const { lines, drawsInGraph } = await contextLog(options);
  const buffers = (name: string) => {
    const pattern = new RegExp(` ${name} buffer size = +([0-9.]+) MiB`);
    return Math.round(lines.reduce((total, line) => total + Number(pattern.exec(line)?.[1] ?? 0), 0) * mebibyte);
  };
  const caches = lines.map(readCacheLine).filter((cache) => cache !== undefined);
  return {
    computeBytes: buffers('compute'),
    outputBytes: buffers('output') + (drawsInGraph ? keptLogitsBytes(options) : 0),
    stateBytes: buffers('RS'),
    cacheBytes: Math.round(caches.reduce((sum, cache) => sum + cache.mebibytesK + cache.mebibytesV, 0) * mebibyte),
  };
}

/** What llama.cpp says while it makes a context, and whether tokens would be drawn in its graphs. */
async function contextLog(options: ContextOptions): Promise<{ lines: readonly string[]; drawsInGraph: boolean }> {
  const { native, nativeLog } = options.model.libraries;
  const lines: string[] = [];
  const { graphDraw } = chooseDrawing(options);
  const stop = nativeLog.listen((line) => lines.push(line));
  try {
    native.llama_free(await createContext(options, graphDraw?.hook.samplers));
  } finally {
    stop();
    graphDraw?.hook.dispose();
  }
  return { lines, drawsInGraph: graphDraw !== undefined };
}

interface CacheLine {
  readonly cells: number;
  readonly layers: number;
  readonly mebibytesK: number;
  readonly mebibytesV: number;
}

/** "llama_kv_cache: size = 12.00 MiB ( 2048 cells, 6 layers, 4/1 seqs), K (f16): 6.00 MiB, V (f16): 6.00 MiB" */
function readCacheLine(line: string): CacheLine | undefined {
  const found = /\( *(\d+) cells, +(\d+) layers.*K \(\w+\): +([0-9.]+) MiB, V \(\w+\): +([0-9.]+) MiB/.exec(line);
  if (found === null) return undefined;
  const [cells = 0, layers = 0, mebibytesK = 0, mebibytesV = 0] = found.slice(1).map(Number);
  return { cells, layers, mebibytesK, mebibytesV };
}
