// How the loaded model makes vectors: its pooling, how long an input may be, and the memory that this takes.
// Why planned with everything else though the context is made at the first request: by then the rest of the memory is taken.

import { availableParallelism } from 'node:os';
import type { EmbedderLimits, EmbeddingCapacity, Pooling } from '../../embedding-port.ts';
import { formatBytes, formatCount } from '../../format.ts';
import type { CapacityRow } from '../../kv/capacity.ts';
import { type EmbedderOptions, embedderContext } from '../../llama/embedding/embedder.ts';
import { measureBuffers } from '../../llama/memory.ts';
import type { LlamaModel } from '../../llama/model.ts';
import { isEncoderOnly } from '../../llama/model-shape.ts';
import { readGguf } from '../../precision/gguf/read.ts';
import type { EngineConfiguration } from './engine-configuration.ts';

export interface EmbeddingPlan {
  readonly embedder: Omit<EmbedderOptions, 'model'>;
  readonly capacity: EmbeddingCapacity;
  readonly row: CapacityRow;
}

/** Without a wish an input is no longer than this: its cache takes its memory whether it is used or not. */
const inputTokensDefaultMax = 8192;
/** And without a wish it is halved, down to this, until vectors take no more than this share of the memory there is. */
const inputTokensHalvedMin = 512;
const memoryShareMax = 0.05;
/** The same where an input is computed in one pass, whose scratch memory grows faster than its length. */
const wholeInputTokensDefaultMax = 2048;
/** llama.cpp makes logits of every token too; those of one pass take at most this: 220 tokens of a vocabulary of 152,064. */
const logitsBytesMax = 128 * 2 ** 20;
const passTokensMin = 16;
/** Inputs in one pass. Where layers keep states or windows, each takes memory of its own. */
const inputsMax = 64;
const inputsWithStateMax = 8;
/** llama.cpp pads a cache to this. */
const cellsPadding = 256;

/**
 * `measured` is the model loaded to `measure`, `memoryBytes` what there is for everything where that is to be spared.
 * Undefined where none is wished; throws an Error for the operator.
 */
export async function planEmbedding(
  configuration: EngineConfiguration,
  measured: LlamaModel,
  memoryBytes = Number.POSITIVE_INFINITY,
): Promise<EmbeddingPlan | undefined> {
  const { embedding } = configuration;
  if (embedding === undefined) return undefined;
  const { pooling, reason } = await choosePooling(embedding.pooling, configuration.modelPath, measured);
  const { limits, row } = await fitLimits(configuration, measured, {
    pooling,
    wished: embedding.inputTokensMax,
    rowBytesMax: memoryShareMax * memoryBytes,
  });
  const embedder = {
    pooling,
    limits,
    threads: configuration.batchThreads || configuration.threads || availableParallelism(),
  };
  const { native } = measured.libraries;
  const labels = pooling === 'rank' ? readLabels(measured) : [];
  const capacity: EmbeddingCapacity = {
    kind: 'on',
    pooling,
    poolingReason: reason,
    dimensionCount:
      pooling === 'rank'
        ? native.llama_model_n_cls_out(measured.pointer)
        : native.llama_model_n_embd_out(measured.pointer),
    inputTokensMax: limits.inputTokensMax,
    labels,
    // llama.cpp ends the graph of these with a softmax.
    ranksInProbabilities: ['qwen3', 'qwen3vl'].includes(measured.shape.architecture),
  };
  return { embedder, capacity, row };
}

interface Fitting {
  readonly pooling: Pooling;
  /** Tokens of an input; 0 leaves it to the memory. */
  readonly wished: number;
  readonly rowBytesMax: number;
}

async function fitLimits(
  configuration: EngineConfiguration,
  measured: LlamaModel,
  { pooling, wished, rowBytesMax }: Fitting,
): Promise<{ readonly limits: EmbedderLimits; readonly row: CapacityRow }> {
  const limits = limitsOf(configuration, measured, wished);
  const row = await measureRow({ model: measured, pooling, limits, threads: 1 });
  const halved = Math.floor(limits.inputTokensMax / 2);
  if (configuration.embedding?.inputTokensMax !== 0 || row.bytes <= rowBytesMax || halved < inputTokensHalvedMin)
    return { limits, row };
  return fitLimits(configuration, measured, { pooling, wished: halved, rowBytesMax });
}

/** llama.cpp's numbers of pooling types, as files have them. */
const poolingsByNumber: readonly (Pooling | undefined)[] = [undefined, 'mean', 'cls', 'last', 'rank'];

async function choosePooling(
  wish: Pooling | 'auto',
  path: string,
  { metadata, shape }: LlamaModel,
): Promise<{ readonly pooling: Pooling; readonly reason: string }> {
  if (wish !== 'auto' && wish !== 'rank') return { pooling: wish, reason: '--pooling' };
  const named = poolingsByNumber[Number(metadata(`${shape.architecture}.pooling_type`) ?? 0)];
  const pooling = wish === 'rank' ? wish : named;
  // Vectors of a model that was trained to write, not to rank or to be compared: the mean keeps most of a text.
  if (pooling === undefined) return { pooling: 'mean', reason: 'the file names none' };
  if (pooling !== 'rank' || (await hasRankingHead(path))) {
    return { pooling, reason: wish === 'rank' ? '--pooling' : 'the file' };
  }
  if (wish === 'auto') return { pooling: 'mean', reason: 'the file names rank but has no ranking head' };
  throw new Error(
    `pooling rank needs a model with a ranking head (a tensor cls.weight or cls.output.weight). Given: ${path}, which has none`,
  );
}

async function hasRankingHead(path: string): Promise<boolean> {
  const { tensors } = await readGguf(path);
  return tensors.some(({ name }) => name === 'cls.weight' || name === 'cls.output.weight');
}

function readLabels({ libraries: { native }, pointer }: LlamaModel): string[] {
  const count = native.llama_model_n_cls_out(pointer);
  return Array.from({ length: count }, (_, index) => native.llama_model_cls_label(pointer, index) ?? '').filter(
    (label) => label !== '',
  );
}

function limitsOf(configuration: EngineConfiguration, measured: LlamaModel, wished: number): EmbedderLimits {
  const { shape, vocabularySize, metadata } = measured;
  const readsWhole = isEncoderOnly(shape) || metadata(`${shape.architecture}.attention.causal`) === 'false';
  const trained = shape.contextTokensTrained;
  if (wished > trained)
    throw new Error(
      `embedding tokens must be <= ${formatCount(trained)}, the model's training context. Given: ${formatCount(wished)}`,
    );
  const usual = Math.min(trained, readsWhole ? wholeInputTokensDefaultMax : inputTokensDefaultMax);
  const inputTokensMax = wished || Math.min(usual, configuration.contextTokens || usual);
  const fitting = Math.max(Math.floor(logitsBytesMax / (4 * vocabularySize)), passTokensMin);
  const cellCount = Math.ceil(inputTokensMax / cellsPadding) * cellsPadding;
  const passTokensMax = readsWhole ? inputTokensMax : Math.min(configuration.microBatchTokens, fitting, cellCount);
  const keepsState = shape.isRecurrent || shape.isHybrid || shape.windowTokens > 0;
  return {
    passTokensMax,
    inputsMax: keepsState ? inputsWithStateMax : inputsMax,
    inputTokensMax,
    cellCount,
    splitsInputs: !readsWhole,
  };
}

async function measureRow(options: EmbedderOptions): Promise<CapacityRow> {
  const { model, limits } = options;
  const { computeBytes, stateBytes, cacheBytes } = await measureBuffers(embedderContext(options));
  const { native } = model.libraries;
  // An encoder has no logits: what llama.cpp sets aside for them is never touched.
  const outputValues =
    native.llama_model_n_embd_out(model.pointer) + (isEncoderOnly(model.shape) ? 0 : model.vocabularySize);
  const bytes = computeBytes + stateBytes + cacheBytes + 4 * outputValues * limits.passTokensMax;
  const cache = cacheBytes === 0 ? '' : `, ${formatBytes(cacheBytes)} of them f16 KV`;
  return {
    part: 'embeddings',
    bytes,
    detail: `inputs of ${formatCount(limits.inputTokensMax)} tokens${cache}; taken at the first request`,
  };
}
