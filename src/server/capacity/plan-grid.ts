// `octet plan`: what a machine with so much memory holds of a model, for each pair of weights and KV types, before anything is loaded.
// Why through the engine's own sizing: a plan is worth having only if the engine then does the same.

import type { KvLayout } from '../../kernel-port.ts';
import { bytesPerToken, type PlannedCapacity } from '../../kv/capacity.ts';
import type { KvTypes } from '../../kv-types.ts';
import type { Libraries } from '../../llama/libraries.ts';
import { measureCacheCost, memoryRoom } from '../../llama/memory.ts';
import { type LlamaModel, loadModel } from '../../llama/model.ts';
import { tensorTypes } from '../../llama/tensor-types.ts';
import { type GgufFile, readGguf } from '../../precision/gguf/read.ts';
import { planWeights } from '../../precision/plan-weights.ts';
import { findRecipe } from '../../precision/recipes/find-recipe.ts';
import { bitsPerWeight, planTensor, summed } from '../../precision/recipes/resolve.ts';
import { weightsLabel } from '../../precision/weights-label.ts';
import type { EngineConfiguration } from '../engine/engine-configuration.ts';
import { planDraft } from '../engine/plan-draft.ts';
import { planHead } from '../engine/plan-head.ts';
import { planLargest, planSizes, type SizesGiven } from '../engine/plan-sizes.ts';

export interface PlanWish {
  readonly libraries: Libraries;
  readonly source: string;
  /** Memory for weights, buffers and cache together; undefined takes what is free now. */
  readonly memoryBytes: number | undefined;
  /** `file`, formats and recipes; undefined takes usual ones. */
  readonly weights: readonly string[] | undefined;
  readonly kv: readonly KvTypes[];
  /** Longest sequence; 0 means the model's training context. */
  readonly contextTokens: number;
  /** Requests that run at once. */
  readonly concurrency: number;
  /** The settings of the engine that are not planned here. */
  readonly engine: Omit<
    EngineConfiguration,
    'modelPath' | 'kvTypes' | 'contextTokens' | 'sequencesMax' | 'kvBlocks' | 'kvMemoryBytes'
  >;
}

export interface GridPlan {
  readonly model: {
    readonly path: string;
    readonly name: string;
    readonly architecture: string;
    readonly parameterCount: number;
    /** Layers that keep K and V of every token; others keep a window or one state. */
    readonly kvLayerCount: number;
    readonly contextTokensTrained: number;
  };
  readonly device: string;
  readonly memoryBytes: number;
  readonly contextTokens: number;
  readonly concurrency: number;
  readonly pairs: readonly PairPlan[];
  /** Weights that cannot be made of this file, and why. */
  readonly notes: readonly string[];
}

export interface PairPlan {
  readonly weights: string;
  readonly kv: KvTypes;
  readonly weightBytes: number;
  readonly bitsPerWeight: number;
  /** Of K and V in all layers that keep every token; 0 for a model without such. */
  readonly kvBytesPerToken: number;
  /** Of the draft model or the multi-token head, with buffers and their own cache; 0 without one. */
  readonly draftBytes: number;
  /** Whether so many requests of the whole context run at once. */
  readonly fits: boolean;
  /** As `octet serve` lays it out with these settings. */
  readonly serve:
    | {
        readonly kind: 'planned';
        readonly layout: KvLayout;
        readonly computeBytes: number;
        readonly kvBytes: number;
        /** Of states that leave the cache, where they are in the same memory; 0 where they are not. */
        readonly stateBytes: number;
        readonly totalBytes: number;
        readonly blocks: number;
        readonly tokens: number;
        /** Longest sequence. */
        readonly contextTokensMax: number;
        /** Of the whole context, at once. */
        readonly requests: number;
      }
    | { readonly kind: 'refused'; readonly reason: string };
  /** The largest cache that the memory holds; undefined where the cache does not grow with the text, or nothing fits. */
  readonly largest:
    | { readonly layout: KvLayout; readonly blocks: number; readonly tokens: number; readonly requests: number }
    | undefined;
}

interface WeightsSize {
  readonly label: string;
  readonly bytes: number;
  readonly valueCount: number;
}

/** For a file of 16 or 32 bits. */
const weightsUsual: readonly string[] = ['file', 'q8_0', 'q6_k', 'q5_k_m', 'q4_k_m'];

/** Reads headers only. Throws when the model cannot be read or serves no text generation. */
export async function planGrid(wish: PlanWish): Promise<GridPlan> {
  const file = await readGguf(wish.source);
  const { sizes, notes } = await sizeWeights(wish, file);
  const { libraries, source: path, engine } = wish;
  const memoryBytes = wish.memoryBytes ?? memoryRoom(libraries).freeBytes;
  const heads = engine.speculation?.head !== undefined;
  const measured = await loadModel({ libraries, path, heads, load: 'measure', gpuLayers: engine.gpuLayers });
  try {
    const contextTokens = wish.contextTokens || measured.shape.contextTokensTrained;
    const pairs: PairPlan[] = [];
    for (const weights of sizes)
      for (const kv of wish.kv)
        pairs.push(await planPair({ ...wish, memoryBytes, contextTokens }, { measured, weights, kv }));
    const { layerCount: kvLayerCount } = await measureCacheCost(measured);
    return {
      model: describeModel(path, measured, kvLayerCount),
      device: libraries.reason,
      memoryBytes,
      contextTokens,
      concurrency: wish.concurrency,
      pairs,
      notes,
    };
  } finally {
    measured.dispose();
  }
}

function describeModel(path: string, model: LlamaModel, kvLayerCount: number): GridPlan['model'] {
  const { shape, parameterCount } = model;
  const { name, architecture, contextTokensTrained } = shape;
  return { path, name, architecture, parameterCount, kvLayerCount, contextTokensTrained };
}

/** What each of the weights takes. A choice that the file does not allow is a note, unless it is the only one. */
async function sizeWeights({ libraries, source, weights }: PlanWish, file: GgufFile) {
  const asItIs = weightsOfFile(file);
  const isFloat = file.tensors.every(({ type }) => tensorTypes[type].kind !== 'quantized');
  const sizes: WeightsSize[] = [];
  const notes: string[] = [];
  for (const wish of weights ?? (isFloat ? weightsUsual : ['file'])) {
    if (wish === 'file') {
      sizes.push(asItIs);
      continue;
    }
    const { label, weights: plan, faults } = await planWeights({ libraries, source, recipe: await findRecipe(wish) });
    if (faults.length > 0) notes.push(`${label} cannot be made of this file: ${faults.join('; ')}`);
    else sizes.push({ label, bytes: plan.bytes, valueCount: plan.valueCount });
  }
  if (sizes.length === 0) throw new Error(notes.join('\n'));
  return { sizes, notes };
}

function weightsOfFile(file: GgufFile): WeightsSize {
  const { bytes, valueCount } = summed(file.tensors.map((tensor) => planTensor(tensor, tensor.type)));
  return { label: weightsLabel(file), bytes, valueCount };
}

interface Pair {
  readonly measured: LlamaModel;
  readonly weights: WeightsSize;
  readonly kv: KvTypes;
}

async function planPair(
  wish: PlanWish & { readonly memoryBytes: number },
  { measured, weights, kv }: Pair,
): Promise<PairPlan> {
  const { contextTokens, concurrency } = wish;
  const configuration: EngineConfiguration = {
    ...wish.engine,
    modelPath: wish.source,
    kvTypes: `${kv.k}:${kv.v}`,
    contextTokens,
    sequencesMax: concurrency,
    kvBlocks: 0,
    kvMemoryBytes: 0,
  };
  const draft =
    (await planDraft(configuration, measured, wish.memoryBytes)) ??
    (await planHead(configuration, measured, wish.memoryBytes));
  const given = {
    weightBytes: weights.bytes,
    availableBytes: wish.memoryBytes,
    reserved: draft === undefined ? [] : [draft.row],
  };
  const serve = await planServing(configuration, measured, given);
  const cache = await planLargest(configuration, measured, given);
  const largest = cache && {
    layout: cache.layout,
    blocks: cache.blockCount,
    tokens: cache.cellCount,
    requests: requestsIn(cache, contextTokens, wish.engine.blockTokens),
  };
  return {
    weights: weights.label,
    kv,
    weightBytes: weights.bytes,
    bitsPerWeight: bitsPerWeight(weights.bytes, weights.valueCount),
    kvBytesPerToken: bytesPerToken(await measureCacheCost(measured), kv),
    draftBytes: draft?.row.bytes ?? 0,
    fits: Math.max(serve.kind === 'planned' ? serve.requests : 0, largest?.requests ?? 0) >= concurrency,
    serve,
    largest,
  };
}

async function planServing(
  configuration: EngineConfiguration,
  measured: LlamaModel,
  given: SizesGiven,
): Promise<PairPlan['serve']> {
  try {
    const { plan, kernel, memory, hostMemory, hostStates } = await planSizes(configuration, measured, given);
    const { parkBytesMax, prefixBytesMax, spareBytesMax } = hostStates;
    return {
      kind: 'planned',
      layout: kernel.layout,
      computeBytes: memory.rows.find(({ part }) => part === 'compute buffers')?.bytes ?? 0,
      kvBytes: plan.kvBytes,
      stateBytes: hostMemory === undefined ? parkBytesMax + prefixBytesMax + spareBytesMax : 0,
      totalBytes: memory.rows.reduce((sum, { bytes }) => sum + bytes, 0),
      blocks: plan.blockCount,
      tokens: plan.cellCount,
      contextTokensMax: plan.contextTokensMax,
      requests: requestsIn(plan, configuration.contextTokens, configuration.blockTokens),
    };
  } catch (error) {
    // A bug is not a refusal.
    if (!(error instanceof Error) || error.name !== 'Error') throw error;
    return { kind: 'refused', reason: error.message };
  }
}

/** Sequences of the whole context that have room at once: in a pool by blocks, else as many as there are slabs of that length. */
function requestsIn(plan: PlannedCapacity, contextTokens: number, blockTokens: number): number {
  const blocksEach = Math.ceil(contextTokens / blockTokens);
  const slabCount = Math.round(plan.cellCount / plan.slabTokens);
  return slabCount * Math.floor(plan.blockCount / slabCount / blocksEach);
}
