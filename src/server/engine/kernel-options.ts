// From the settings to what a kernel is made of, once the layout and the size of its cache are known.
// Why apart from the plan: contexts that are measured for it and the one that serves are made of the same.

import type { KvLayout } from '../../kernel-port.ts';
import type { KvTypes } from '../../kv-types.ts';
import type { KernelOptions } from '../../llama/kernel.ts';
import type { LlamaModel } from '../../llama/model.ts';
import type { EngineConfiguration } from './engine-configuration.ts';

export interface KernelWish {
  readonly configuration: EngineConfiguration;
  /** Loaded to `measure`. */
  readonly measured: LlamaModel;
  readonly types: KvTypes;
  readonly threads: number;
}

export function kernelOptions(
  { configuration, measured, types, threads }: KernelWish,
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
    drawing: configuration.drawing,
    copies: configuration.hostCopies,
    kvTypes: types,
    threads,
    ...speedOptions(configuration),
  };
}

/** What leaves the kernel its own defaults where nothing is wished. */
function speedOptions({ batchThreads = 0, samplingThreads = 0, flashAttention = 'auto' }: EngineConfiguration) {
  return {
    flashAttention,
    ...(batchThreads === 0 ? {} : { batchThreads }),
    // The engine's own thread draws, too.
    ...(samplingThreads === 0 ? {} : { samplingThreads: samplingThreads - 1 }),
  };
}

/** Logits of prompt tokens that are scored take at most this in one step: 110 rows of a vocabulary of 152,064 tokens. */
const scoredBytesMax = 64 * 2 ** 20;

/** Prompt tokens whose log-probabilities one step may compute; a prompt that wants more is read in shorter chunks. */
function scoredRows(vocabularySize: number, batchTokensMax: number): number {
  return Math.min(Math.max(Math.floor(scoredBytesMax / (4 * vocabularySize)), 1), batchTokensMax);
}
