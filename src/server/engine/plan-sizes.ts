// From the settings, the model and the memory there is to the sizes of cache, context and batch; refused early when it cannot fit.
// Why the model is measured before its weights are loaded: a refusal after a minute of loading is a refusal too late.

import { availableParallelism } from 'node:os';
import type { LayoutChoice, MemoryPlan } from '../../capacity-port.ts';
import type { KvLayout } from '../../kernel-port.ts';
import {
  bytesPerToken,
  type CapacityPlan,
  type CapacityRequest,
  type CapacityRow,
  type PlannedCapacity,
  planCapacity,
} from '../../kv/capacity.ts';
import { checkKvTypes, type KvTypes, parseKvTypes } from '../../kv-types.ts';
import type { KernelOptions } from '../../llama/kernel.ts';
import type { Libraries } from '../../llama/libraries.ts';
import { type CacheCost, measureBuffers, measureCacheCost, memoryRoom } from '../../llama/memory.ts';
import type { LlamaModel } from '../../llama/model.ts';
import { candidateLayouts, chooseLayout } from './choose-layout.ts';
import type { EngineConfiguration } from './engine-configuration.ts';
import { type KernelWish, kernelOptions } from './kernel-options.ts';
import { type EmbeddingPlan, planEmbedding } from './plan-embedding.ts';
import { type HostStates, type PlannedStates, planHostStates, statesIn } from './plan-host-states.ts';

export interface Sizes {
  readonly kernel: Omit<KernelOptions, 'model'>;
  readonly plan: PlannedCapacity;
  /** Why the cache has its layout. */
  readonly layoutChoice: LayoutChoice;
  readonly memory: MemoryPlan;
  /** Undefined where what is copied out of the cache is in the memory of `memory`, too. */
  readonly hostMemory: MemoryPlan | undefined;
  readonly hostStates: HostStates;
  /** Undefined where no vectors are made. */
  readonly embedding: EmbeddingPlan | undefined;
  readonly blockTokens: number;
  readonly kvTypes: KvTypes;
  readonly warnings: readonly string[];
}

/** What is not to be found out here: sizes of another file, or of another machine. */
export interface SizesGiven {
  readonly weightBytes?: number;
  /** Memory for everything together, in place of what is free now. */
  readonly availableBytes?: number;
  /** What is to have its place beside this model: a draft model. */
  readonly reserved?: readonly CapacityRow[];
}

/**
 * Sizes everything; `measured` is the model loaded to `measure`, at any precision of its weights. Throws an Error with the
 * arithmetic when it does not fit.
 */
export async function planSizes(
  configuration: EngineConfiguration,
  measured: LlamaModel,
  given: SizesGiven = {},
): Promise<Sizes> {
  const { sizing, memory, warnings } = await startSizing(configuration, measured, given);
  const { layout, plan, choice } = await chooseLayout({
    configuration,
    measured,
    planOf: (wished) => planLayout(sizing, wished, memory),
  });
  return {
    kernel: kernelOptions(sizing, { layout, cellCount: plan.cellCount }),
    plan,
    layoutChoice: choice,
    memory: describeMemory(measured.libraries, plan, memory.availableBytes),
    hostMemory: sizing.states.hostMemory,
    hostStates: statesIn((sizing.states.hostMemory ?? plan).rows),
    embedding: sizing.embedding,
    blockTokens: configuration.blockTokens,
    kvTypes: sizing.types,
    warnings,
  };
}

export type LargestCache = PlannedCapacity & { readonly layout: KvLayout };

/**
 * The largest cache that the memory holds, whatever is wished for, in the layout that holds more; undefined when nothing fits,
 * or when the cache does not grow with the text.
 */
export async function planLargest(
  configuration: EngineConfiguration,
  measured: LlamaModel,
  given: SizesGiven & { readonly availableBytes: number },
): Promise<LargestCache | undefined> {
  const { sizing, memory } = await startSizing({ ...configuration, contextTokens: 0 }, measured, given);
  if (bytesPerToken(sizing.cost, sizing.types) === 0) return undefined;
  let largest: LargestCache | undefined;
  for (const layout of candidateLayouts(configuration, measured)) {
    const plan = await fillMemory(sizing, layout, { ...memory, availableBytes: given.availableBytes });
    if (plan !== undefined && plan.cellCount > (largest?.cellCount ?? 0)) largest = { ...plan, layout };
  }
  return largest;
}

async function fillMemory(
  sizing: Sizing,
  layout: KvLayout,
  memory: Memory & { readonly availableBytes: number },
): Promise<PlannedCapacity | undefined> {
  const { configuration, cost, types } = sizing;
  const perToken = bytesPerToken(cost, types);
  const { computeBytes, computeBytesPerCell } = await fitCompute(sizing, layout);
  const reservedBytes = sizing.reserved.reduce((sum, { bytes }) => sum + bytes, memory.adapters?.bytes ?? 0);
  const left = memory.availableBytes - memory.weightBytes - reservedBytes - computeBytes;
  // The line through two sizes is not exact: a little less is tried where the whole does not fit.
  for (const share of [1, 0.99, 0.95, 0.9]) {
    const kvMemoryBytes = Math.floor((share * left * perToken) / (perToken + computeBytesPerCell));
    if (kvMemoryBytes <= 0) return undefined;
    const filled = { ...sizing, configuration: { ...configuration, kvBlocks: 0, kvMemoryBytes } };
    const plan = await planLayout(filled, layout, memory);
    if (plan.kind === 'planned') return plan;
  }
  return undefined;
}

async function startSizing(configuration: EngineConfiguration, measured: LlamaModel, given: SizesGiven) {
  const { types, warnings } = readKvTypes(configuration, measured);
  const cost = await measureCacheCost(measured);
  const threads = configuration.threads || availableParallelism();
  const memory: Memory = {
    weightBytes: given.weightBytes ?? measured.weightBytes,
    adapters: adapterMemory(configuration),
    availableBytes: given.availableBytes ?? availableBytes(configuration, measured.libraries),
  };
  const embedding = await planEmbedding(configuration, measured, memory.availableBytes);
  const states = planHostStates(configuration, measured, given.availableBytes === undefined);
  const rows = embedding === undefined ? [] : [embedding.row];
  const reserved = [...rows, ...(given.reserved ?? []), ...states.beside.reserved];
  const sizing: Sizing = { configuration, measured, types, threads, cost, embedding, reserved, states };
  return { sizing, memory, warnings };
}

function adapterMemory({ adapters = [] }: EngineConfiguration): CapacityRequest['adapters'] {
  if (adapters.length === 0) return undefined;
  return { bytes: adapters.reduce((sum, { bytes }) => sum + bytes, 0), names: adapters.map(({ name }) => name) };
}

type Memory = Pick<CapacityRequest, 'weightBytes' | 'adapters' | 'availableBytes'>;

/** Plans with buffers fitted through two sizes, then once more with what a cache of the planned size really needs. */
async function planLayout(sizing: Sizing, layout: KvLayout, memory: Memory): Promise<CapacityPlan> {
  const { configuration, measured, types, cost } = sizing;
  const request = (compute: ComputeCost): CapacityRequest => ({
    shape: { ...cost, contextTokensTrained: measured.shape.contextTokensTrained },
    types,
    ...memory,
    ...compute,
    reserved: sizing.reserved,
    flexible: sizing.states.beside.flexible,
    layout,
    blockTokens: configuration.blockTokens,
    sequencesMax: configuration.sequencesMax,
    wishes: {
      blockCount: configuration.kvBlocks || undefined,
      kvBytes: configuration.kvMemoryBytes || undefined,
      contextTokens: configuration.contextTokens || undefined,
    },
  });
  const fitted = await fitCompute(sizing, layout);
  const first = planCapacity(request(fitted));
  if (first.kind === 'refused') return first;
  const bytes = await computeBytesAt(sizing, layout, first.cellCount);
  return planCapacity(request({ ...fitted, computeBytes: bytes - fitted.computeBytesPerCell * first.cellCount }));
}

type ComputeCost = Pick<CapacityRequest, 'computeBytes' | 'computeBytesPerCell'>;

/** The line through what a small and a larger cache need. */
async function fitCompute(sizing: Sizing, layout: KvLayout): Promise<ComputeCost> {
  const small = probeCells(sizing.configuration);
  const large = 4 * small;
  const atSmall = await computeBytesAt(sizing, layout, small);
  const atLarge = await computeBytesAt(sizing, layout, large);
  const computeBytesPerCell = Math.max(0, (atLarge - atSmall) / (large - small));
  return { computeBytes: Math.max(0, atSmall - computeBytesPerCell * small), computeBytesPerCell };
}

/** Everything that a cache of this size needs beside K and V of every token: scratch, logits, states, windows. */
async function computeBytesAt(sizing: Sizing, layout: KvLayout, cellCount: number): Promise<number> {
  const { measured } = sizing;
  const buffers = await measureBuffers({ model: measured, ...kernelOptions(sizing, { layout, cellCount }) });
  // Layers that keep only a window have cells of their own. Sizes are read in hundredths of a MiB: less than that is none.
  const rest = buffers.cacheBytes - cellCount * bytesPerToken(sizing.cost, sizing.types);
  const windowBytes = rest > 0.001 * buffers.cacheBytes ? rest : 0;
  return buffers.computeBytes + buffers.outputBytes + buffers.stateBytes + windowBytes;
}

/** Cells to measure with: the batch must fit. */
function probeCells({ stepTokensMax, sequencesMax }: EngineConfiguration): number {
  return Math.max(stepTokensMax, 512) * sequencesMax;
}

interface Sizing extends KernelWish {
  readonly cost: CacheCost;
  readonly embedding: EmbeddingPlan | undefined;
  readonly reserved: readonly CapacityRow[];
  readonly states: PlannedStates;
}

function readKvTypes(configuration: EngineConfiguration, { shape, libraries }: LlamaModel) {
  const parsed = parseKvTypes(configuration.kvTypes);
  if (parsed.kind === 'refused') throw new Error(parsed.message);
  const check = checkKvTypes({
    ...parsed.types,
    headSizeK: shape.headSizeK,
    headSizeV: shape.headSizeV,
    gpu: libraries.gpu,
  });
  // A recurrent model has no heads, and no K or V whose format could matter.
  if (check.errors.length > 0 && !shape.isRecurrent) throw new Error(check.errors.join('; '));
  return { types: parsed.types, warnings: check.warnings };
}

/** With some layers on the GPU only, llama.cpp splits weights and cache between two memories: then nothing is promised. */
export function availableBytes({ gpuLayers }: EngineConfiguration, libraries: Libraries): number | undefined {
  return libraries.gpu !== 'off' && gpuLayers >= 0 ? undefined : memoryRoom(libraries).freeBytes;
}

function describeMemory({ gpu }: Libraries, { rows }: PlannedCapacity, available: number | undefined): MemoryPlan {
  return { device: gpu === 'off' ? 'the host' : gpu, rows, availableBytes: available };
}
