// The native context: what its parameters are for a layout, number formats and sizes.
// Why apart from the kernel: memory.ts makes contexts of the same parameters only to hear what they would allocate.

import type { KvLayout } from '../kernel-port.ts';
import { type FlashAttention, isQuantized, type KvTypes, kvTypes } from '../kv-types.ts';
import type { LlamaModel } from './model.ts';
import { type ContextPointer, callAsync } from './native.ts';
import type { ContextParams } from './native-structs.ts';

/** What a native context is made from; memory.ts measures with the same. */
export interface ContextOptions {
  readonly model: LlamaModel;
  readonly layout: KvLayout;
  /** Token positions in the cache; rounded up to what llama.cpp allocates (limits.cellCount). */
  readonly cellCount: number;
  /** Sequences that may get logits in one step. */
  readonly sequencesMax: number;
  /** Native sequence ids wanted; fewer may come back (limits.cacheSeqCount). Default: what the layout allows. */
  readonly cacheSeqCount?: number;
  /** Tokens in one step. */
  readonly batchTokensMax: number;
  /** Tokens that the kernels compute at once; a step is cut into these. */
  readonly microBatchTokens: number;
  readonly kvTypes: KvTypes;
  /** Threads that compute a step of one row. */
  readonly threads: number;
  /** Threads that compute longer ones. Default: as many. */
  readonly batchThreads?: number;
  /** Default: `auto`. */
  readonly flashAttention?: FlashAttention;
  /** Rows of one step that may have logits. Default: one per sequence. */
  readonly outputsMax?: number;
  /**
   * `model` leaves the hidden states of its rows to be read, `head` is the context of the model's multi-token head, which reads such
   * a state beside each token. Default: neither. The model must be loaded with its heads.
   */
  readonly multiToken?: 'model' | 'head' | undefined;
  /** Makes vectors of every token, or with `rank` the ranking head's outputs of every sequence, instead of being drawn from. */
  readonly embedding?: 'tokens' | 'rank';
  /** A registered C callback that sees every node of the graph as it is computed (activations/product-tap.ts). */
  readonly evaluationCallback?: bigint;
  /**
   * `graph`: tokens are drawn where the logits are computed if they can be, and logits are copied to the host only for other
   * draws. `auto`: that with CUDA. Default: `host`.
   */
  readonly drawing?: 'auto' | 'host' | 'graph' | undefined;
}

/** An array of llama_sampler_seq_config in native memory (graph-draw/graph-hook.ts). */
export interface GraphSamplers {
  readonly address: bigint;
  readonly count: number;
}

/** Native ids that have a slab (or a recurrent state) of their own. */
export function nativeSeqMax({ layout, sequencesMax, cacheSeqCount }: ContextOptions): number {
  // Pooled: ids go to 256 whatever this says; it bounds the output rows, the recurrent states and what is parked as it is.
  return layout === 'per-sequence' ? Math.max(sequencesMax, cacheSeqCount ?? 0) : sequencesMax;
}

/** Rows with logits that one step may have: more would abort the process. */
export function outputsMaxOf(options: ContextOptions): number {
  return Math.max(nativeSeqMax(options), options.outputsMax ?? 0);
}

/** Makes the native context alone; throws with llama.cpp's own words when it cannot. */
export async function createContext(options: ContextOptions, samplers?: GraphSamplers): Promise<ContextPointer> {
  const { native, nativeLog } = options.model.libraries;
  nativeLog.takeErrors();
  const context = await callAsync(
    native.llama_init_from_model,
    options.model.pointer,
    contextParams(options, samplers),
  );
  if (context === null)
    throw new Error(`cannot create the native context: ${nativeLog.takeErrors().join('; ') || 'no reason given'}`);
  return context;
}

/** llama.cpp's numbers of pooling types. */
const nativePooling = { tokens: 0, rank: 4 } as const;

function embeddingParams({ embedding }: ContextOptions): Pick<ContextParams, 'embeddings'> & Partial<ContextParams> {
  return embedding === undefined ? { embeddings: false } : { embeddings: true, pooling_type: nativePooling[embedding] };
}

/** LLAMA_CONTEXT_TYPE_MTP. */
const headContext = 1;

/** enum llama_flash_attn_type. Quantized values can be read with it alone. */
const nativeFlash = { auto: -1, off: 0, on: 1 } as const;

function contextParams(options: ContextOptions, samplers: GraphSamplers | undefined): ContextParams {
  const { model, kvTypes: types } = options;
  const batchTokensMax = Math.min(options.batchTokensMax, options.cellCount);
  return {
    ...model.libraries.native.llama_context_default_params(),
    n_ctx: options.cellCount,
    n_batch: batchTokensMax,
    n_ubatch: Math.min(options.microBatchTokens, batchTokensMax),
    n_seq_max: nativeSeqMax(options),
    n_outputs_max: outputsMaxOf(options),
    ctx_type: options.multiToken === 'head' ? headContext : 0,
    n_threads: options.threads,
    n_threads_batch: options.batchThreads ?? options.threads,
    type_k: kvTypes[types.k].id,
    type_v: kvTypes[types.v].id,
    flash_attn_type: isQuantized(types.v) ? nativeFlash.on : nativeFlash[options.flashAttention ?? 'auto'],
    kv_unified: options.layout === 'pooled',
    // Sliding-window layers keep their window only: prefixes of such models are not shared anyway.
    swa_full: false,
    cb_eval: options.evaluationCallback ?? null,
    ...embeddingParams(options),
    ...samplerParams(options, samplers),
  };
}

function samplerParams(options: ContextOptions, samplers: GraphSamplers | undefined): Partial<ContextParams> {
  if (samplers === undefined) return {};
  // A sequence with guesses has several rows.
  return { samplers: samplers.address, n_samplers: samplers.count, n_outputs_max_per_seq: outputsMaxOf(options) };
}
