// The C structs that cross into llama.cpp by value, in the layout of the release that node-llama-cpp is pinned to.
// Why fields keep their C names: they are read beside llama.h, and a wrong order would corrupt memory.
// Source: include/llama.h and ggml/include/ggml.h of llama.cpp v0.5.0. release-check.ts holds the defaults against them.

import koffi from 'koffi';

/** llama_model_params. Pointers are null unless said otherwise. */
export interface ModelParams {
  readonly devices: bigint | null;
  readonly tensor_buft_overrides: bigint | null;
  /** Layers on the GPU; negative means all. */
  readonly n_gpu_layers: number;
  readonly split_mode: number;
  /** -1 auto, 0 none, 1 mmap, 2 mlock, 3 both, 4 direct I/O. */
  readonly load_mode: number;
  readonly lazy_mode: number;
  readonly main_gpu: number;
  readonly tensor_split: bigint | null;
  readonly progress_callback: bigint | null;
  readonly progress_callback_user_data: bigint | null;
  readonly kv_overrides: bigint | null;
  readonly vocab_only: boolean;
  readonly check_tensors: boolean;
  readonly use_extra_bufts: boolean;
  readonly no_host: boolean;
  readonly no_alloc: boolean;
  readonly load_mtp: boolean;
}

/** llama_context_params. */
export interface ContextParams {
  readonly n_ctx: number;
  readonly n_batch: number;
  readonly n_ubatch: number;
  readonly n_seq_max: number;
  readonly n_rs_seq: number;
  readonly n_outputs_max: number;
  readonly n_outputs_max_per_seq: number;
  readonly n_threads: number;
  readonly n_threads_batch: number;
  /** 0 the model itself, 1 its multi-token heads. */
  readonly ctx_type: number;
  readonly rope_scaling_type: number;
  readonly pooling_type: number;
  readonly attention_type: number;
  /** -1 auto, 0 off, 1 on. */
  readonly flash_attn_type: number;
  readonly rope_freq_base: number;
  readonly rope_freq_scale: number;
  readonly yarn_ext_factor: number;
  readonly yarn_attn_factor: number;
  readonly yarn_beta_fast: number;
  readonly yarn_beta_slow: number;
  readonly yarn_orig_ctx: number;
  readonly defrag_thold: number;
  readonly cb_eval: bigint | null;
  readonly cb_eval_user_data: bigint | null;
  readonly type_k: number;
  readonly type_v: number;
  readonly abort_callback: bigint | null;
  readonly abort_callback_data: bigint | null;
  readonly embeddings: boolean;
  readonly offload_kqv: boolean;
  readonly no_perf: boolean;
  readonly op_offload: boolean;
  readonly swa_full: boolean;
  readonly kv_unified: boolean;
  readonly samplers: bigint | null;
  readonly n_samplers: number;
  readonly ctx_other: bigint | null;
}

/** llama_batch: addresses of native arrays of at least `n_tokens` entries. */
export interface NativeBatch {
  n_tokens: number;
  readonly token: bigint;
  /** Null but for a multi-token head, which reads a hidden state beside each token. */
  readonly embd: bigint | null;
  readonly pos: bigint;
  readonly n_seq_id: bigint;
  readonly seq_id: bigint;
  readonly logits: bigint;
}

/** ggml_threadpool_params; `cpumask` has 512 entries, all false meaning inherited affinity. */
export interface ThreadpoolParams {
  readonly cpumask: readonly boolean[];
  readonly n_threads: number;
  readonly prio: number;
  /** 0 sleeps between graphs, 100 spins. */
  readonly poll: number;
  readonly strict_cpu: boolean;
  readonly paused: boolean;
}

export const modelParamsStruct = koffi.struct({
  devices: 'void*',
  tensor_buft_overrides: 'void*',
  n_gpu_layers: 'int32_t',
  split_mode: 'int',
  load_mode: 'int',
  lazy_mode: 'int',
  main_gpu: 'int32_t',
  tensor_split: 'void*',
  progress_callback: 'void*',
  progress_callback_user_data: 'void*',
  kv_overrides: 'void*',
  vocab_only: 'bool',
  check_tensors: 'bool',
  use_extra_bufts: 'bool',
  no_host: 'bool',
  no_alloc: 'bool',
  load_mtp: 'bool',
});

export const contextParamsStruct = koffi.struct({
  n_ctx: 'uint32_t',
  n_batch: 'uint32_t',
  n_ubatch: 'uint32_t',
  n_seq_max: 'uint32_t',
  n_rs_seq: 'uint32_t',
  n_outputs_max: 'uint32_t',
  n_outputs_max_per_seq: 'uint32_t',
  n_threads: 'int32_t',
  n_threads_batch: 'int32_t',
  ctx_type: 'int',
  rope_scaling_type: 'int',
  pooling_type: 'int',
  attention_type: 'int',
  flash_attn_type: 'int',
  rope_freq_base: 'float',
  rope_freq_scale: 'float',
  yarn_ext_factor: 'float',
  yarn_attn_factor: 'float',
  yarn_beta_fast: 'float',
  yarn_beta_slow: 'float',
  yarn_orig_ctx: 'uint32_t',
  defrag_thold: 'float',
  cb_eval: 'void*',
  cb_eval_user_data: 'void*',
  type_k: 'int',
  type_v: 'int',
  abort_callback: 'void*',
  abort_callback_data: 'void*',
  embeddings: 'bool',
  offload_kqv: 'bool',
  no_perf: 'bool',
  op_offload: 'bool',
  swa_full: 'bool',
  kv_unified: 'bool',
  samplers: 'void*',
  n_samplers: 'size_t',
  ctx_other: 'void*',
});

export const batchStruct = koffi.struct({
  n_tokens: 'int32_t',
  token: 'void*',
  embd: 'void*',
  pos: 'void*',
  n_seq_id: 'void*',
  seq_id: 'void*',
  logits: 'void*',
});

export const threadpoolParamsStruct = koffi.struct({
  cpumask: koffi.array('bool', 512),
  n_threads: 'int',
  prio: 'int',
  poll: 'uint32_t',
  strict_cpu: 'bool',
  paused: 'bool',
});
