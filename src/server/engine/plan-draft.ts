// How a draft model is served beside the model: whether it fits it, the size of its own cache, and the memory that this takes.
// Why its cache is f16: it is small, and its precision only shows in how often guesses come true.

import { availableParallelism } from 'node:os';
import { formatBytes, formatCount } from '../../format.ts';
import { bytesPerToken, type CapacityRow } from '../../kv/capacity.ts';
import type { KernelOptions } from '../../llama/kernel.ts';
import { measureBuffers, measureCacheCost } from '../../llama/memory.ts';
import { type LlamaModel, loadModel } from '../../llama/model.ts';
import { generationObstacle, prefixSharing } from '../../llama/model-shape.ts';
import { vocabularyFaults } from '../../llama/same-vocabulary.ts';
import type { DraftConfiguration, DraftingConfiguration, EngineConfiguration } from './engine-configuration.ts';

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
export const kvTypes = { k: 'f16', v: 'f16' } as const;
/** Sequences that are guessed for at once: with more in a step guesses hardly ever pay. */
export const sequencesAtOnce = 64;
export const batchTokens = 256;
/** However large its file: what is not known is tried, and then known. */
export const costShareMax = 0.25;
/** Rows with logits beyond one for each sequence: tokens of a trial (plan-round.ts). */
const trialRows = 32;

/**
 * `target` is the model loaded to `measure`, `memoryBytes` what there is for everything where that is to be spared. Undefined where no
 * draft model is wished for, or where its guesses could not be taken back. Throws an Error for the operator where the draft model
 * cannot guess for the model, with all that speaks against it.
 */
export async function planDraft(
  configuration: EngineConfiguration,
  target: LlamaModel,
  memoryBytes = Number.POSITIVE_INFINITY,
): Promise<DraftPlan | undefined> {
  const wish = configuration.speculation?.draft;
  if (wish === undefined || prefixSharing(target.shape).kind === 'none') return undefined;
  const { libraries } = target;
  const gpuLayers = draftGpuLayers(configuration);
  const draft = await loadModel({ libraries, path: wish.modelPath, load: 'measure', gpuLayers });
  try {
    const faults = faultsOf(target, draft);
    if (faults.length > 0) throw new Error(`the draft model ${wish.modelPath} cannot be used: ${faults.join('; ')}`);
    return await sizeDraft(configuration, wish, { target, draft, memoryBytes });
  } finally {
    draft.dispose();
  }
}

/** Where any layer of the model is on the GPU, the whole draft model is. */
export function draftGpuLayers({ gpuLayers }: Pick<EngineConfiguration, 'gpuLayers'>): number {
  return gpuLayers === 0 ? 0 : -1;
}

interface Sizing {
  readonly target: LlamaModel;
  readonly draft: LlamaModel;
  readonly memoryBytes: number;
}

async function sizeDraft(
  configuration: EngineConfiguration,
  wish: DraftConfiguration,
  { target, draft, memoryBytes }: Sizing,
): Promise<DraftPlan> {
  const kernel = guesserKernel(configuration, wish, {
    perTokenBytes: bytesPerToken(await measureCacheCost(draft), kvTypes),
    contextTokensTrained: target.shape.contextTokensTrained,
    memoryBytes,
  });
  const buffers = await measureBuffers({ model: draft, ...kernel });
  const { computeBytes, outputBytes, cacheBytes } = buffers;
  const detail =
    `weights ${formatBytes(draft.weightBytes)}, f16 KV of ${formatCount(kernel.cellCount)} tokens ${formatBytes(cacheBytes)}, ` +
    `buffers ${formatBytes(computeBytes + outputBytes)}`;
  const costShare = Math.min(draft.weightBytes / target.weightBytes, costShareMax);
  const bytes = draft.weightBytes + computeBytes + outputBytes + cacheBytes;
  return { kernel, row: { part: 'draft model', bytes, detail }, costShare };
}

export interface GuesserSizes {
  /** Of its own cache. */
  readonly perTokenBytes: number;
  /** Of the model that is served. */
  readonly contextTokensTrained: number;
  /** What there is for everything. */
  readonly memoryBytes: number;
}

/** The kernel of whatever guesses beside the model, a draft model or a head: a pool of its own for a part of the sequences. */
export function guesserKernel(
  configuration: EngineConfiguration,
  wish: DraftingConfiguration,
  { perTokenBytes, contextTokensTrained, memoryBytes }: GuesserSizes,
): DraftPlan['kernel'] {
  const { sequencesMax } = configuration;
  const tokensMax = sequencesMax * (configuration.contextTokens || contextTokensTrained);
  const cellCount = wish.cacheTokens || cellsWithin(tokensMax, perTokenBytes, memoryShareMax * memoryBytes);
  const cacheSeqCount = Math.min(sequencesMax, sequencesAtOnce);
  return {
    layout: 'pooled',
    cellCount,
    sequencesMax: cacheSeqCount,
    cacheSeqCount,
    batchTokensMax: Math.min(batchTokens, cellCount),
    microBatchTokens: batchTokens,
    outputsMax: Math.min(cacheSeqCount + trialRows, cellCount),
    drawing: configuration.drawing,
    kvTypes,
    threads: wish.threads || configuration.threads || availableParallelism(),
  };
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

function cellsWithin(tokensMax: number, perTokenBytes: number, bytesMax: number): number {
  let cellCount = Math.min(tokensMax, cacheTokensDefaultMax);
  while (cellCount * perTokenBytes > bytesMax && cellCount / 2 >= cacheTokensHalvedMin)
    cellCount = Math.floor(cellCount / 2);
  return cellCount;
}
