// The numbers of a model that decide what its cache costs and whether prefixes can be shared.
// Why partly from metadata: the C API tells layers and heads but not head sizes, which a GGUF may set apart for K and V.

import type { ModelPointer, Native } from './native.ts';

export interface ModelShape {
  readonly architecture: string;
  readonly name: string;
  readonly layerCount: number;
  readonly embeddingSize: number;
  readonly headCount: number;
  /** Of the first layer; layers may differ. */
  readonly kvHeadCount: number;
  readonly headSizeK: number;
  readonly headSizeV: number;
  readonly contextTokensTrained: number;
  /** Sliding-window length; 0 means every layer attends to everything. */
  readonly windowTokens: number;
  readonly isRecurrent: boolean;
  readonly isHybrid: boolean;
  readonly isDiffusion: boolean;
  readonly hasEncoder: boolean;
  readonly hasDecoder: boolean;
}

/** Reads the shape of a loaded model; with the vocabulary alone, what its metadata tells. */
export function readModelShape(
  native: Native,
  model: ModelPointer,
  metadata: (key: string) => string | undefined,
): ModelShape {
  const architecture = metadata('general.architecture') ?? 'unknown';
  const number = (key: string) => Number(metadata(`${architecture}.${key}`) ?? 0);
  const embeddingSize = number('embedding_length') || native.llama_model_n_embd(model);
  const headCount = number('attention.head_count') || native.llama_model_n_head(model);
  // A file that does not name them has as many as heads; asking llama.cpp, of a vocabulary alone, would end the process.
  const kvHeadCount =
    metadata(`${architecture}.attention.head_count_kv`) === undefined
      ? headCount
      : number('attention.head_count_kv') || native.llama_model_n_head_kv(model) || headCount;
  const headSize = headCount > 0 ? embeddingSize / headCount : 0;
  return {
    architecture,
    name: metadata('general.name') ?? '',
    layerCount: number('block_count') || native.llama_model_n_layer(model),
    embeddingSize,
    headCount,
    kvHeadCount,
    headSizeK: number('attention.key_length') || headSize,
    headSizeV: number('attention.value_length') || headSize,
    contextTokensTrained: number('context_length') || native.llama_model_n_ctx_train(model),
    windowTokens: native.llama_model_n_swa(model),
    isRecurrent: native.llama_model_is_recurrent(model),
    isHybrid: native.llama_model_is_hybrid(model),
    isDiffusion: native.llama_model_is_diffusion(model),
    hasEncoder: native.llama_model_has_encoder(model),
    hasDecoder: native.llama_model_has_decoder(model),
  };
}

export type PrefixSharing = { readonly kind: 'blocks' } | { readonly kind: 'none'; readonly reason: string };

/** Whether parts of a sequence can be shared and removed: only where the cache keeps every position. */
export function prefixSharing(shape: ModelShape): PrefixSharing {
  if (shape.isRecurrent) return { kind: 'none', reason: 'recurrent: one state stands for the whole past' };
  if (shape.isHybrid) return { kind: 'none', reason: 'hybrid: some layers keep one state for the whole past' };
  if (shape.windowTokens > 0)
    return { kind: 'none', reason: `sliding window: some layers keep only the last ${shape.windowTokens} tokens` };
  return { kind: 'blocks' };
}

/**
 * Architectures that read a text at once and keep nothing of it: they make vectors, and generate no text.
 * Source: llama_model::create_memory of llama.cpp v0.5.0, which gives them no memory.
 */
const encoderArchitectures: ReadonlySet<string> = new Set([
  'bert',
  'jina-bert-v2',
  'jina-bert-v3',
  'nomic-bert',
  'nomic-bert-moe',
  'neo-bert',
  'eurobert',
  'modern-bert',
  'gemma-embedding',
  't5encoder',
]);

/** Whether a model makes vectors and nothing else. */
export function isEncoderOnly({ architecture }: Pick<ModelShape, 'architecture'>): boolean {
  return encoderArchitectures.has(architecture);
}

/** Why a model cannot serve text generation, or undefined. */
export function generationObstacle(shape: ModelShape): string | undefined {
  if (isEncoderOnly(shape))
    return `${shape.architecture} reads text and makes vectors of it; it has no decoder to generate text`;
  if (shape.isDiffusion) return `${shape.architecture} is a diffusion model; Octet serves autoregressive models`;
  if (shape.hasEncoder) return `${shape.architecture} needs an encoder pass; Octet serves decoder-only models`;
  if (!shape.hasDecoder) return `${shape.architecture} has no decoder: it cannot generate text`;
  return undefined;
}
