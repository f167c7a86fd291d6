// Builds everything the engine process runs: libraries, model, memory plan, kernel, cache, scheduler.
// Why apart from the process's entry: benchmarks and tests build the same engine without a process around it.

import { randomInt } from 'node:crypto';
import type { EngineCapacity } from '../../capacity-port.ts';
import { createMasks } from '../../grammar/create-masks.ts';
import type { SequenceMasks } from '../../grammar-port.ts';
import { tokenId } from '../../ids.ts';
import type { Kernel, KernelLimits } from '../../kernel-port.ts';
import type { KvCache } from '../../kv/types.ts';
import { type LoadedAdapters, loadAdapters } from '../../llama/adapters.ts';
import { createKernel, type NativeKernel } from '../../llama/kernel.ts';
import { type Libraries, loadLibraries } from '../../llama/libraries.ts';
import { type LlamaModel, loadModel } from '../../llama/model.ts';
import { prefixSharing } from '../../llama/model-shape.ts';
import { createTokenizer } from '../../llama/tokenizer.ts';
import type { EngineMessage } from '../../ports.ts';
import type { EmbeddingLane } from '../../scheduler/embedding-lane.ts';
import { createScheduler, type Scheduler } from '../../scheduler/scheduler.ts';
import type { DraftLane } from '../../scheduler/speculation/draft-lane.ts';
import type { SchedulerOptions } from '../../scheduler/state.ts';
import { copiedStates, createCache, keepsPrefixes, keptRowsFor, longestTokens } from './create-cache.ts';
import type { EngineConfiguration } from './engine-configuration.ts';
import { measureIdCopy } from './measure-id-copy.ts';
import { openDraft } from './open-draft.ts';
import { openHead } from './open-head.ts';
import { openLane } from './open-lane.ts';
import { type DraftPlan, draftGpuLayers, planDraft } from './plan-draft.ts';
import { planHead } from './plan-head.ts';
import type { HostStates } from './plan-host-states.ts';
import { availableBytes, planSizes, type Sizes } from './plan-sizes.ts';
import { speculationOf } from './speculation-options.ts';

export interface AssembledEngine {
  readonly kernel: Kernel;
  readonly cache: KvCache;
  readonly scheduler: Scheduler;
  readonly masks: SequenceMasks;
  /** Undefined where no vectors are made. */
  readonly embeddings: EmbeddingLane | undefined;
  /** Undefined where neither a draft model nor the model's own head guesses. */
  readonly drafts: DraftLane | undefined;
  readonly capacity: EngineCapacity;
  /** Frees the context and the weights; the loop must have ended. */
  dispose(): void;
}

export interface AssemblyPorts {
  readonly log: (level: 'debug' | 'info' | 'warn' | 'error', text: string) => void;
  readonly onProgress: (fraction: number) => void;
  /** Gets the answers to requests for vectors; without it none are made. */
  readonly post?: (message: EngineMessage) => void;
  /** Milliseconds of a monotonic clock; undefined takes the usual one. */
  readonly now?: () => number;
}

/** Loads and builds it all; throws an Error whose message is meant for the operator. */
export async function assembleEngine(
  configuration: EngineConfiguration,
  ports: AssemblyPorts,
): Promise<AssembledEngine> {
  const { libraries, model, adapters, sizes, drafts, leavesStates } = await load(configuration, ports);
  const { parkBytesMax, prefixBytesMax, spareBytesMax } = sizes.hostStates;
  const kernel = await createKernel({
    model,
    adapters,
    stateBytesMax: parkBytesMax + prefixBytesMax + spareBytesMax,
    ...sizes.kernel,
    multiToken: leavesStates ? 'model' : undefined,
    records: 'steady',
  });
  const { place, reason } = kernel.drawing;
  ports.log(place === 'host' && configuration.drawing === 'graph' ? 'warn' : 'info', `drawing: ${place}, ${reason}`);
  const copiesBeside = kernel.beside !== undefined;
  ports.log(
    configuration.hostCopies === 'beside' && !copiesBeside ? 'warn' : 'info',
    `copies to host memory: ${copiesBeside ? 'beside' : 'between'} steps`,
  );
  const cache = createCache(kernel, {
    sizes,
    keptRowsMax: await keptRowsFor(libraries, kernel, ports.log),
  });
  const contextTokensMax = Math.min(sizes.plan.contextTokensMax, longestTokens(kernel, cache));
  const sharing = prefixSharing(model.shape);
  if (configuration.speculation !== undefined && sharing.kind === 'none') {
    ports.log('info', `speculation is off: guesses cannot be taken back from this cache (${sharing.reason})`);
  }
  const options = schedulerOptions(configuration, kernel.limits, {
    contextTokensMax,
    kvBytesPerToken: sizes.plan.kvBytesPerToken,
    hostStates: sizes.hostStates,
    idCopyMs: await idCopyMsOf(kernel, ports),
    copiesBeside: copiesBeside ? (configuration.hostCopies === 'beside' ? 'all' : 'worthwhile') : undefined,
    drafts,
  });
  const scheduler = createScheduler(options, cache);
  const tokenizer = createTokenizer(model);
  const masks = createMasks({
    vocabularySize: kernel.limits.vocabularySize,
    endTokenIds: kernel.limits.endTokenIds,
    pieceBytes: (token) => tokenizer.pieceBytes(tokenId(token)),
    timeoutMs: configuration.grammarTimeoutMs,
  });
  const embeddings =
    sizes.embedding === undefined || ports.post === undefined
      ? undefined
      : openLane(model, sizes.embedding, ports.post);
  return {
    kernel,
    cache,
    scheduler,
    masks,
    embeddings,
    drafts,
    capacity: describe({ configuration, libraries, model, kernel, cache, sizes, contextTokensMax }),
    dispose() {
      masks.dispose();
      embeddings?.dispose();
      drafts?.dispose();
      kernel.dispose();
      model.dispose();
    },
  };
}

interface Loaded {
  readonly libraries: Libraries;
  readonly model: LlamaModel;
  readonly adapters: LoadedAdapters;
  readonly sizes: Sizes;
  readonly drafts: DraftLane | undefined;
  /** Whether a head reads the model's hidden states. */
  readonly leavesStates: boolean;
}

/** Plans the sizes, then loads the weights and what is put on them. */
async function load(configuration: EngineConfiguration, ports: AssemblyPorts): Promise<Loaded> {
  let isQuiet = true;
  // What llama.cpp tells of its loading is detail here; and contexts that only exist to be measured warn of sizes that
  // nobody asked for.
  const libraries = loadLibraries({
    gpu: configuration.gpu,
    log: (level, text) => {
      const isDetail = level === 'info' || (level === 'warn' && (isQuiet || isPoolingWarning(text)));
      ports.log(isDetail ? 'debug' : level, text);
    },
  });
  ports.log('info', `compute: ${libraries.reason}`);
  const file = { libraries, path: configuration.modelPath, gpuLayers: configuration.gpuLayers };
  const heads = configuration.speculation?.head !== undefined;
  const measured = await loadModel({ ...file, heads, load: 'measure' });
  const memoryBytes = availableBytes(configuration, libraries);
  const plan = {
    draft: await planDraft(configuration, measured, memoryBytes),
    head: await planHead(configuration, measured, memoryBytes),
  };
  const draftPlan = plan.draft ?? plan.head;
  const sizes = await planSizes(configuration, measured, draftPlan === undefined ? {} : { reserved: [draftPlan.row] });
  measured.dispose();
  isQuiet = false;
  for (const warning of sizes.warnings) ports.log('warn', warning);
  ports.log('info', `KV layout: ${sizes.kernel.layout} (${sizes.layoutChoice.reason})`);
  const model = await loadModel({ ...file, heads, load: 'weights', onProgress: ports.onProgress });
  // It warns of each matrix that the CPU keeps in an order of its own, where an adapter's is kept beside it.
  isQuiet = true;
  const adapters = await loadAdapters(model, configuration.adapters ?? []);
  // And of a pool that is longer than one sequence can be.
  const drafts = await openDrafter(configuration, { ...plan, target: model, ports });
  isQuiet = false;
  return { libraries, model, adapters, sizes, drafts, leavesStates: plan.head !== undefined };
}

interface DrafterParts {
  readonly draft: DraftPlan | undefined;
  readonly head: DraftPlan | undefined;
  readonly target: LlamaModel;
  readonly ports: AssemblyPorts;
}

async function openDrafter(
  configuration: EngineConfiguration,
  { draft, head, target, ports }: DrafterParts,
): Promise<DraftLane | undefined> {
  const wish = configuration.speculation?.draft;
  const now = ports.now ?? (() => performance.now());
  const warn = (text: string): void => ports.log('warn', text);
  if (head !== undefined) return openHead({ plan: head, model: target, now, warn });
  if (wish === undefined || draft === undefined) return undefined;
  return openDraft(wish, { plan: draft, target, gpuLayers: draftGpuLayers(configuration), now, warn });
}

/** Said of a context for vectors, which leaves pooling to pooled-rows.ts whatever the file names. */
function isPoolingWarning(text: string): boolean {
  return text.includes('model default pooling_type is');
}

async function idCopyMsOf(kernel: Kernel, { log, now }: AssemblyPorts): Promise<number | undefined> {
  const copyMs = await measureIdCopy({ kernel, now: now ?? (() => performance.now()) });
  if (copyMs !== undefined) log('info', `a prefix copied from slab to slab adds ${copyMs.toFixed(1)} ms to a step`);
  return copyMs;
}

function schedulerOptions(
  configuration: EngineConfiguration,
  limits: KernelLimits,
  {
    drafts,
    hostStates,
    ...sizes
  }: Pick<SchedulerOptions, 'contextTokensMax' | 'kvBytesPerToken' | 'idCopyMs' | 'copiesBeside'> & {
    readonly hostStates: HostStates;
    readonly drafts: DraftLane | undefined;
  },
): SchedulerOptions {
  const sequencesMax = Math.min(configuration.sequencesMax, limits.cacheSeqCount);
  // Prompts are scored in steps that read prompts, guesses computed in those that do not: they share these rows.
  const scoredRowsMax = limits.outputRowsMax - sequencesMax;
  return {
    ...sizes,
    sequencesMax,
    stepTokensMax: limits.batchTokensMax,
    scoredRowsMax,
    itlTargetMs: configuration.itlTargetMs,
    ttftTargetMs: configuration.ttftTargetMs,
    policy: configuration.policy,
    preemption: configuration.preemption,
    parkBytesMax: hostStates.parkBytesMax,
    hostPrefixes: keepsPrefixes(hostStates, limits)
      ? { bytesMax: hostStates.prefixBytesMax, hashSeed: randomInt(2 ** 32) }
      : undefined,
    endTokenIds: limits.endTokenIds,
    speculation: speculationOf(configuration, limits, { drafts, extraRowsMax: scoredRowsMax }),
  };
}

interface Parts {
  readonly configuration: EngineConfiguration;
  readonly libraries: Libraries;
  readonly model: LlamaModel;
  readonly kernel: NativeKernel;
  readonly cache: KvCache;
  readonly sizes: Sizes;
  readonly contextTokensMax: number;
}

function describe(parts: Parts): EngineCapacity {
  const { configuration, libraries, model, kernel, cache, sizes, contextTokensMax } = parts;
  return {
    contextTokensMax,
    blockTokens: cache.blockTokens,
    blockCount: cache.blockCount,
    sequencesMax: configuration.sequencesMax,
    kvTypeK: sizes.kvTypes.k,
    kvTypeV: sizes.kvTypes.v,
    kvBytesPerToken: sizes.plan.kvBytesPerToken,
    kvLayout: sizes.kernel.layout,
    kvLayoutChoice: sizes.layoutChoice,
    drawing: kernel.drawing,
    weightBytes: model.weightBytes,
    memory: sizes.memory,
    hostMemory: sizes.hostMemory,
    hostStates: copiedStates(sizes.hostStates, kernel.limits),
    gpu: libraries.gpu,
    gpuReason: libraries.reason,
    prefixSharing: prefixSharing(model.shape),
    embedding: sizes.embedding?.capacity ?? { kind: 'off', reason: 'it was started with --pooling off' },
  };
}
