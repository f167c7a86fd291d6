// From the settings to what the engine process is told.

import type { LayoutEvidence } from '../kv/layout-model/types.ts';
import { sameKvTypes } from '../kv-types.ts';
import type { PrecisionStatus } from '../precision-status.ts';
import type {
  EmbeddingWish,
  EngineAdapter,
  EngineConfiguration,
  SpeculationConfiguration,
} from './engine/engine-configuration.ts';
import type { Settings } from './settings-schema.ts';
import { guessesBy } from './settings-speculation.ts';

/** What the engine is to load. */
export interface ServedFile {
  readonly modelPath: string;
  readonly adapters: readonly EngineAdapter[];
  /** The draft model's file; undefined where none guesses. */
  readonly draftPath: string | undefined;
  readonly precision: PrecisionStatus;
  /** The model makes vectors and generates nothing. */
  readonly isEncoder: boolean;
}

export function engineConfiguration(
  settings: Settings,
  { modelPath, adapters, draftPath, precision, isEncoder }: ServedFile,
  layoutEvidence?: LayoutEvidence,
): EngineConfiguration {
  return {
    modelPath,
    adapters,
    gpu: settings.gpu,
    gpuLayers: settings.gpuLayers,
    threads: settings.threads,
    batchThreads: settings.batchThreads,
    samplingThreads: settings.samplingThreads,
    flashAttention: settings.flashAttention,
    kvTypes: `${precision.kv.k}:${precision.kv.v}`,
    kvLayout: settings.kvLayout,
    // Of another KV type than the gate lets through, steps cost something else.
    layoutEvidence: sameKvTypes(precision.kv, precision.kvWished) ? layoutEvidence : undefined,
    kvBlocks: settings.kvBlocks,
    kvMemoryBytes: settings.kvMemory,
    blockTokens: settings.blockTokens,
    contextTokens: settings.context,
    sequencesMax: settings.sequencesMax,
    stepTokensMax: settings.stepTokens,
    microBatchTokens: settings.microBatch,
    drawing: settings.drawing,
    hostCopies: settings.hostCopies,
    itlTargetMs: settings.itlTargetMs,
    ttftTargetMs: settings.ttftTargetMs,
    policy: settings.policy,
    preemption: settings.preemption,
    parkBytesMax: settings.parkMemory,
    prefixBytesMax: settings.prefixMemory,
    grammarTimeoutMs: settings.grammarTimeoutMs,
    embedding: embeddingWish(settings),
    isEncoder,
    speculation: speculationOf(settings, draftPath),
    nice: settings.engineNice,
  };
}

function embeddingWish({ pooling, embeddingTokens }: Settings): EmbeddingWish | undefined {
  return pooling === 'off' ? undefined : { pooling, inputTokensMax: embeddingTokens };
}

function speculationOf(settings: Settings, draftPath: string | undefined): SpeculationConfiguration | undefined {
  const { speculative, lookupTokensMin, lookupWindow, draftThreads, draftCacheTokens } = settings;
  if (speculative === 'off') return undefined;
  const drafting = { threads: draftThreads, cacheTokens: draftCacheTokens };
  return {
    draftTokensMax: settings.speculativeTokens,
    lookup: guessesBy(speculative, 'lookup')
      ? { matchTokensMin: lookupTokensMin, windowTokens: lookupWindow }
      : undefined,
    draft: draftPath === undefined ? undefined : { ...drafting, modelPath: draftPath },
    head: guessesBy(speculative, 'mtp') ? drafting : undefined,
  };
}
