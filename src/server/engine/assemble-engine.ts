// Builds everything the engine process runs: libraries, model, memory plan, kernel, cache, scheduler.
// Why apart from the process's entry: benchmarks and tests build the same engine without a process around it.

import { randomInt } from 'node:crypto';
import type { EngineCapacity } from '../../capacity-port.ts';
import { formatCount } from '../../format.ts';
import { createMasks } from '../../grammar/create-masks.ts';
import type { SequenceMasks } from '../../grammar-port.ts';
import { tokenId } from '../../ids.ts';
import type { Kernel, KernelLimits } from '../../kernel-port.ts';
import { createPerSequenceCache } from '../../kv/per-sequence-cache.ts';
import { createPlainCache } from '../../kv/plain-cache.ts';
import { createPooledCache } from '../../kv/pooled-cache.ts';
import type { KvCache } from '../../kv/types.ts';
import { type LoadedAdapters, loadAdapters } from '../../llama/adapters.ts';
import { cacheSeqCountMax, createKernel, type NativeKernel } from '../../llama/kernel.ts';
import { type Libraries, loadLibraries } from '../../llama/libraries.ts';
import { type LlamaModel, loadModel } from '../../llama/model.ts';
import { prefixSharing } from '../../llama/model-shape.ts';
import { createTokenizer } from '../../llama/tokenizer.ts';
import type { EngineMessage } from '../../ports.ts';
import type { EmbeddingLane } from '../../scheduler/embedding-lane.ts';
import { createScheduler, type Scheduler } from '../../scheduler/scheduler.ts';
import { createLookupProposer } from '../../scheduler/speculation/lookup-proposer.ts';
import type { SpeculationOptions } from '../../scheduler/speculation/speculation.ts';
import type { SchedulerOptions } from '../../scheduler/state.ts';
import type { EngineConfiguration } from './engine-configuration.ts';
import { keptRowsOf, keptText, measureKept } from './measure-kept.ts';
import { openLane } from './open-lane.ts';
import { planSizes, type Sizes } from './plan-sizes.ts';

export interface AssembledEngine {
  readonly kernel: Kernel;
  readonly cache: KvCache;
  readonly scheduler: Scheduler;
  readonly masks: SequenceMasks;
  /** Undefined where no vectors are made. */
  readonly embeddings: EmbeddingLane | undefined;
  readonly capacity: EngineCapacity;
  /** Frees the context and the weights; the loop must have ended. */
  dispose(): void;
}

export interface AssemblyPorts {
  readonly log: (level: 'debug' | 'info' | 'warn' | 'error', text: string) => void;
  readonly onProgress: (fraction: number) => void;
  /** Gets the answers to requests for vectors; without it none are made. */
  readonly post?: (message: EngineMessage) => void;
}

/** Loads and builds it all; throws an Error whose message is meant for the operator. */
export async function assembleEngine(
  configuration: EngineConfiguration,
  ports: AssemblyPorts,
): Promise<AssembledEngine> {
  const { libraries, model, adapters, sizes } = await load(configuration, ports);
  const kernel = await createKernel({ model, adapters, ...sizes.kernel });
  const { place, reason } = kernel.drawing;
  ports.log(place === 'host' && configuration.drawing === 'graph' ? 'warn' : 'info', `drawing: ${place}, ${reason}`);
  const cache = createCache(configuration, kernel, { sizes, keptRowsMax: await keptRowsFor(libraries, kernel, ports) });
  const contextTokensMax = Math.min(sizes.plan.contextTokensMax, longestTokens(kernel, cache));
  const sharing = prefixSharing(model.shape);
  if (configuration.speculation !== undefined && sharing.kind === 'none') {
    ports.log('info', `speculation is off: guesses cannot be taken back from this cache (${sharing.reason})`);
  }
  const options = schedulerOptions(configuration, kernel.limits, {
    contextTokensMax,
    kvBytesPerToken: sizes.plan.kvBytesPerToken,
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
    capacity: describe({ configuration, libraries, model, kernel, cache, sizes, contextTokensMax }),
    dispose() {
      masks.dispose();
      embeddings?.dispose();
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
  const measured = await loadModel({ ...file, load: 'measure' });
  const sizes = await planSizes(configuration, measured);
  measured.dispose();
  isQuiet = false;
  for (const warning of sizes.warnings) ports.log('warn', warning);
  ports.log('info', `KV layout: ${sizes.kernel.layout} (${sizes.layoutReason})`);
  const model = await loadModel({ ...file, load: 'weights', onProgress: ports.onProgress });
  // It warns of each matrix that the CPU keeps in an order of its own, where an adapter's is kept beside it.
  isQuiet = true;
  const adapters = await loadAdapters(model, configuration.adapters ?? []);
  isQuiet = false;
  return { libraries, model, adapters, sizes };
}

/** Said of a context for vectors, which leaves pooling to pooled-rows.ts whatever the file names. */
function isPoolingWarning(text: string): boolean {
  return text.includes('model default pooling_type is');
}

function schedulerOptions(
  configuration: EngineConfiguration,
  limits: KernelLimits,
  sizes: Pick<SchedulerOptions, 'contextTokensMax' | 'kvBytesPerToken'>,
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
    policy: configuration.policy,
    preemption: configuration.preemption,
    parkBytesMax: configuration.parkBytesMax,
    hostPrefixes: keepsPrefixes(configuration, limits)
      ? { bytesMax: configuration.prefixBytesMax, hashSeed: randomInt(2 ** 32) }
      : undefined,
    endTokenIds: limits.endTokenIds,
    speculation: speculationOf(configuration, limits, scoredRowsMax),
  };
}

/** Longer matches than the shortest that are told apart. */
const matchLevels = 30;

/** Undefined where none is wanted, or where wrong guesses could not be taken back. */
function speculationOf(
  { speculation }: EngineConfiguration,
  limits: KernelLimits,
  extraRowsMax: number,
): SpeculationOptions | undefined {
  if (speculation === undefined || !limits.sharesPrefixes) return undefined;
  const { draftTokensMax, matchTokensMin, windowTokens, computes } = speculation;
  const matchTokensMax = matchTokensMin + matchLevels;
  return {
    proposer: createLookupProposer({ matchTokensMin, matchTokensMax, windowTokens }),
    draftTokensMax,
    extraRowsMax,
    equalRows: limits.layout === 'per-sequence',
    computes,
  };
}

/** Shorter prefixes are computed again as fast as they are looked after. */
const demoteTokensMin = 32;

/** Only where the cache can be cut, and in one pool where an id is left to copy through (`cacheSeqCountMax`). */
function keepsPrefixes({ prefixBytesMax }: EngineConfiguration, limits: KernelLimits): boolean {
  const hasSpareId = limits.layout === 'per-sequence' || limits.cacheSeqCount < cacheSeqCountMax;
  return prefixBytesMax > 0 && limits.sharesPrefixes && hasSpareId;
}

/**
 * How long the pool keeps a prefix that nobody uses; undefined: as long as there is room. Measured on a CPU alone, whose rows
 * pay for every cell in use; asked at each start, for a second, because it is the processor of now that counts.
 */
async function keptRowsFor({ gpu }: Libraries, kernel: Kernel, ports: AssemblyPorts): Promise<number | undefined> {
  const { layout, sharesPrefixes } = kernel.limits;
  if (gpu !== 'off' || layout !== 'pooled' || !sharesPrefixes) return undefined;
  const costs = await measureKept({ kernel, now: () => performance.now() });
  if (costs === undefined) return undefined;
  const keptRows = keptRowsOf(costs);
  const why = keptText(costs, kernel.limits.cellCount);
  ports.log('info', `prefixes are kept for ${formatCount(keptRows)} rows after their last use: ${why}`);
  return keptRows;
}

interface CacheSizes {
  readonly sizes: Sizes;
  readonly keptRowsMax: number | undefined;
}

function createCache(configuration: EngineConfiguration, kernel: Kernel, { sizes, keptRowsMax }: CacheSizes): KvCache {
  const { cellCount, cacheSeqCount, layout, sharesPrefixes } = kernel.limits;
  const { blockTokens } = sizes;
  const demoteMinTokens = keepsPrefixes(configuration, kernel.limits) ? demoteTokensMin : undefined;
  if (layout === 'per-sequence' && sharesPrefixes) {
    return createPerSequenceCache({
      cacheSeqCount,
      slabTokens: Math.floor(cellCount / cacheSeqCount),
      blockTokens,
      demoteMinTokens,
    });
  }
  const blockCount = Math.floor(cellCount / blockTokens);
  return sharesPrefixes
    ? createPooledCache({
        blockCount,
        blockTokens,
        cacheSeqCount,
        keptRowsMax,
        hashSeed: randomInt(2 ** 32),
        demoteMinTokens,
      })
    : createPlainCache({ blockCount, blockTokens, cacheSeqCount });
}

/** What one sequence can hold at most: its slab, or the whole pool. */
function longestTokens({ limits }: Kernel, cache: KvCache): number {
  const cells =
    limits.layout === 'per-sequence' ? Math.floor(limits.cellCount / limits.cacheSeqCount) : limits.cellCount;
  return Math.min(cells, cache.blockTokens * cache.blockCount);
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
    kvLayoutReason: sizes.layoutReason,
    drawing: kernel.drawing,
    weightBytes: model.weightBytes,
    memory: sizes.memory,
    gpu: libraries.gpu,
    gpuReason: libraries.reason,
    prefixSharing: prefixSharing(model.shape),
    embedding: sizes.embedding?.capacity ?? { kind: 'off', reason: 'it was started with --pooling off' },
  };
}
