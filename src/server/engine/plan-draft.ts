// How a draft model is served beside the model: whether it fits it, the size of its own cache, and the memory that this takes.
// Why its cache is f16: it is small, and its precision only shows in how often guesses come true.

import { availableParallelism } from 'node:os';
import { formatBytes, formatCount } from '../../format.ts';
import { bytesPerToken, type CapacityRow } from '../../kv/capacity.ts';
import type { KernelOptions } from '../../llama/kernel.ts';
import { measureBuffers, measureCacheCost } from '../../llama/memory.ts';
import type { LlamaModel } from '../../llama/model.ts';
import { generationObstacle, prefixSharing } from '../../llama/model-shape.ts';
import { vocabularyFaults } from '../../llama/same-vocabulary.ts';
import type { DraftConfiguration, EngineConfiguration } from './engine-configuration.ts';
import { availableBytes } from './plan-sizes.ts';

export interface DraftPlan {
  readonly kernel: Omit<KernelOptions, 'model'>;
  readonly row: CapacityRow;
  /** What one of its steps is thought to cost of the target's, before it was measured. */
  readonly costShare: number;
}

/** Without a wish its cache holds no more, and is halved until it takes no more than this share of the memory there is. */
const cacheTokensDefaultMax = 32_768;
const cacheTokensHalvedMin = 2048;
const memoryShareMax = 0.1;
const kvTypes = { k: 'f16', v: 'f16' } as const;
/** Sequences that are guessed for at once: with more in a step guesses hardly ever pay. */
const sequencesAtOnce = 64;
const batchTokens = 256;
/** However large its file: what is not known is tried, and then known. */
const costShareMax = 0.25;
/** Rows with logits beyond one for each sequence: tokens of a trial (plan-round.ts). */
const trialRows = 32;

export interface DraftModels {
  readonly target: LlamaModel;
  /** Both loaded to `measure`. */
  readonly draft: LlamaModel;
}

/** Throws an Error for the operator where the draft model cannot guess for the model, with all that speaks against it. */
export async function planDraft(
  configuration: Pick<EngineConfiguration, 'threads' | 'sequencesMax' | 'contextTokens' | 'gpuLayers'>,
  wish: DraftConfiguration,
  { target, draft }: DraftModels,
): Promise<DraftPlan> {
  const faults = faultsOf(target, draft);
  if (faults.length > 0) throw new Error(`the draft model ${wish.modelPath} cannot guess: ${faults.join('; ')}`);
  const { sequencesMax } = configuration;
  const perTokenBytes = bytesPerToken(await measureCacheCost(draft), kvTypes);
  const cellCount = wish.cacheTokens || cellsWithin(configuration, target, perTokenBytes);
  const cacheSeqCount = Math.min(sequencesMax, sequencesAtOnce);
  const kernel: DraftPlan['kernel'] = {
    layout: 'pooled',
    cellCount,
    sequencesMax: cacheSeqCount,
    cacheSeqCount,
    batchTokensMax: Math.min(batchTokens, cellCount),
    microBatchTokens: batchTokens,
    outputsMax: Math.min(cacheSeqCount + trialRows, cellCount),
    kvTypes,
    threads: wish.threads || configuration.threads || availableParallelism(),
  };
  const buffers = await measureBuffers({ model: draft, ...kernel });
  const { computeBytes, outputBytes, cacheBytes } = buffers;
  const detail =
    `weights ${formatBytes(draft.weightBytes)}, f16 KV of ${formatCount(cellCount)} tokens ${formatBytes(cacheBytes)}, ` +
    `buffers ${formatBytes(computeBytes + outputBytes)}`;
  const costShare = Math.min(draft.weightBytes / target.weightBytes, costShareMax);
  const bytes = draft.weightBytes + computeBytes + outputBytes + cacheBytes;
  return { kernel, row: { part: 'draft model', bytes, detail }, costShare };
}

function faultsOf(target: LlamaModel, draft: LlamaModel): readonly string[] {
  const obstacle = generationObstacle(draft.shape);
  const sharing = prefixSharing(draft.shape);
  return [
    ...(obstacle === undefined ? [] : [obstacle]),
    ...(sharing.kind === 'blocks' ? [] : [`guesses cannot be taken back from its cache (${sharing.reason})`]),
    ...vocabularyFaults(target, draft),
  ];
}

function cellsWithin(
  configuration: Pick<EngineConfiguration, 'sequencesMax' | 'contextTokens' | 'gpuLayers'>,
  { shape, libraries }: LlamaModel,
  perTokenBytes: number,
): number {
  const { sequencesMax, contextTokens } = configuration;
  const bytesMax = memoryShareMax * (availableBytes(configuration, libraries) ?? Number.POSITIVE_INFINITY);
  let cellCount = Math.min(sequencesMax * (contextTokens || shape.contextTokensTrained), cacheTokensDefaultMax);
  while (cellCount * perTokenBytes > bytesMax && cellCount / 2 >= cacheTokensHalvedMin)
    cellCount = Math.floor(cellCount / 2);
  return cellCount;
}
