// From the settings, the model and the memory there is to the sizes of cache, context and batch; refused early when it cannot fit.
// Why the model is measured before its weights are loaded: a refusal after a minute of loading is a refusal too late.

import { availableParallelism } from 'node:os';
import { type CapacityRequest, type PlannedCapacity, planCapacity } from '../../kv/capacity.ts';
import { checkKvTypes, type KvTypes, parseKvTypes } from '../../kv-types.ts';
import type { KernelOptions } from '../../llama/kernel.ts';
import type { Libraries } from '../../llama/libraries.ts';
import { type BufferSizes, measureBuffers, measureCacheCost, memoryRoom } from '../../llama/memory.ts';
import type { LlamaModel } from '../../llama/model.ts';
import { prefixSharing } from '../../llama/model-shape.ts';
import type { KvLayout, MemoryPlan } from '../../ports.ts';
import type { EngineConfiguration } from './engine-configuration.ts';

export interface Sizes {
  readonly kernel: Omit<KernelOptions, 'model'>;
  readonly plan: PlannedCapacity;
  readonly memory: MemoryPlan;
  readonly blockTokens: number;
  readonly kvTypes: KvTypes;
  readonly warnings: readonly string[];
}

/** Sizes everything; `measured` is the model loaded to `measure`. Throws an Error with the arithmetic when it does not fit. */
export async function planSizes(configuration: EngineConfiguration, measured: LlamaModel): Promise<Sizes> {
  const { types, warnings } = readKvTypes(configuration, measured);
  const cost = await measureCacheCost(measured);
  const threads = configuration.threads || availableParallelism();
  const sizing = { configuration, measured, types, threads };
  const request = (layout: KvLayout, buffers: BufferSizes): CapacityRequest => ({
    shape: { ...cost, contextTokensTrained: measured.shape.contextTokensTrained },
    types,
    weightBytes: measured.weightBytes,
    computeBytes: buffers.computeBytes + buffers.outputBytes + buffers.stateBytes,
    availableBytes: availableBytes(configuration, measured.libraries),
    layout,
    blockTokens: configuration.blockTokens,
    sequencesMax: configuration.sequencesMax,
    wishes: {
      blockCount: configuration.kvBlocks || undefined,
      kvBytes: configuration.kvMemoryBytes || undefined,
      contextTokens: configuration.contextTokens || undefined,
    },
  });
  const layouts = candidateLayouts(configuration, measured);
  let refusal = '';
  for (const layout of layouts) {
    const buffers = await measureBuffers({
      model: measured,
      ...kernelOptions(sizing, { layout, cellCount: probeCells(configuration) }),
    });
    const plan = planCapacity(request(layout, buffers));
    if (plan.kind === 'refused') refusal = plan.message;
    else if (suffices(plan, { configuration, measured, isLast: layout === layouts.at(-1) })) {
      return {
        kernel: kernelOptions(sizing, { layout, cellCount: plan.cellCount }),
        plan,
        memory: describeMemory(configuration, measured, plan),
        blockTokens: configuration.blockTokens,
        kvTypes: types,
        warnings,
      };
    }
  }
  throw new Error(refusal);
}

/** Cells to measure the compute buffers with: they hardly depend on it, but the batch must fit. */
function probeCells({ stepTokensMax, sequencesMax }: EngineConfiguration): number {
  return Math.max(stepTokensMax, 512) * sequencesMax;
}

/**
 * In order of preference. Slabs compute faster, so `auto` takes them where memory allows each sequence its full context;
 * else the pool, which lets any sequence use all there is. Models that share no prefixes gain nothing from a pool.
 */
function candidateLayouts({ kvLayout }: EngineConfiguration, model: LlamaModel): readonly KvLayout[] {
  if (kvLayout !== 'auto') return [kvLayout];
  return prefixSharing(model.shape).kind === 'blocks' ? ['per-sequence', 'pooled'] : ['per-sequence'];
}

interface Sufficiency {
  readonly configuration: EngineConfiguration;
  readonly measured: LlamaModel;
  readonly isLast: boolean;
}

/** Whether a plan gives every sequence the context that was asked for; the last candidate must do in any case. */
function suffices(plan: PlannedCapacity, { configuration, measured, isLast }: Sufficiency): boolean {
  if (isLast) return true;
  return plan.contextTokensMax >= (configuration.contextTokens || measured.shape.contextTokensTrained);
}

interface Sizing {
  readonly configuration: EngineConfiguration;
  readonly measured: LlamaModel;
  readonly types: KvTypes;
  readonly threads: number;
}

function kernelOptions(
  { configuration, measured, types, threads }: Sizing,
  { layout, cellCount }: { layout: KvLayout; cellCount: number },
): Omit<KernelOptions, 'model'> {
  const batchTokensMax = Math.max(configuration.stepTokensMax, configuration.sequencesMax);
  return {
    layout,
    cellCount,
    sequencesMax: configuration.sequencesMax,
    batchTokensMax,
    outputsMax: configuration.sequencesMax + scoredRows(measured.vocabularySize, batchTokensMax),
    microBatchTokens: configuration.microBatchTokens,
    kvTypes: types,
    threads,
  };
}

/** Logits of prompt tokens that are scored take at most this in one step: 110 rows of a vocabulary of 152,064 tokens. */
const scoredBytesMax = 64 * 2 ** 20;

/** Prompt tokens whose log-probabilities one step may compute; a prompt that wants more is read in shorter chunks. */
function scoredRows(vocabularySize: number, batchTokensMax: number): number {
  return Math.min(Math.max(Math.floor(scoredBytesMax / (4 * vocabularySize)), 1), batchTokensMax);
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
function availableBytes({ gpuLayers }: EngineConfiguration, libraries: Libraries): number | undefined {
  return libraries.gpu !== 'off' && gpuLayers >= 0 ? undefined : memoryRoom(libraries).freeBytes;
}

function describeMemory(configuration: EngineConfiguration, model: LlamaModel, plan: PlannedCapacity): MemoryPlan {
  const { libraries } = model;
  return {
    device: libraries.gpu === 'off' ? 'the host' : libraries.gpu,
    rows: plan.rows,
    availableBytes: availableBytes(configuration, libraries),
  };
}
