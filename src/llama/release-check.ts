// Refuses a build of llama.cpp whose structs may not have the layout of native-structs.ts.
// Why: a struct passed by value with a wrong layout corrupts memory silently. The version names the release; the default
// parameters, read back through our layouts, show that every field is where we think it is.

import type { Native } from './native.ts';

/** What the libraries of node-llama-cpp 3.22.1 (release v0.5.0) answer; a build of the tagged source may drop the suffix. */
const versions: readonly string[] = ['0.5.0-dev', '0.5.0'];

const modelDefaults = {
  n_gpu_layers: -1,
  split_mode: 1,
  load_mode: -1,
  lazy_mode: 1,
  main_gpu: 0,
  tensor_split: null,
  progress_callback: null,
  kv_overrides: null,
  vocab_only: false,
  use_extra_bufts: true,
  no_host: false,
  no_alloc: false,
  load_mtp: false,
} as const;

const contextDefaults = {
  n_ctx: 512,
  n_batch: 2048,
  n_ubatch: 512,
  n_seq_max: 1,
  n_rs_seq: 0,
  n_outputs_max: 0,
  n_outputs_max_per_seq: 1,
  rope_scaling_type: -1,
  pooling_type: -1,
  attention_type: -1,
  flash_attn_type: -1,
  yarn_ext_factor: -1,
  yarn_beta_slow: -1,
  yarn_orig_ctx: 0,
  defrag_thold: -1,
  cb_eval: null,
  type_k: 1,
  type_v: 1,
  abort_callback: null,
  embeddings: false,
  offload_kqv: true,
  no_perf: true,
  op_offload: true,
  swa_full: true,
  kv_unified: false,
  samplers: null,
  n_samplers: 0,
  ctx_other: null,
} as const;

const threadpoolDefaults = { n_threads: 3, prio: 0, poll: 50, strict_cpu: false, paused: false } as const;

/** Throws, naming what was expected and found, unless the libraries are the release that the layouts were written for. */
export function checkRelease(native: Native): void {
  const version = native.llama_version();
  if (!versions.includes(version))
    throw new Error(
      `llama.cpp must be ${versions.join(' or ')}. Found: ${version}. Install the pinned node-llama-cpp.`,
    );
  const faults = [
    ...structDifferences('llama_model_params', modelDefaults, native.llama_model_default_params()),
    ...structDifferences('llama_context_params', contextDefaults, native.llama_context_default_params()),
    ...structDifferences('ggml_threadpool_params', threadpoolDefaults, native.ggml_threadpool_params_default(3)),
  ];
  if (faults.length > 0)
    throw new Error(`llama.cpp ${version} has another struct layout than this build of Octet: ${faults.join('; ')}`);
}

/** Where the fields of a struct, read through our layout, are not what the release is known to answer; each a sentence. */
export function structDifferences(name: string, expected: Readonly<Record<string, unknown>>, found: object): string[] {
  const values = new Map(Object.entries(found));
  return Object.entries(expected)
    .filter(([field, value]) => !Object.is(values.get(field), value))
    .map(([field, value]) => `${name}.${field} must be ${String(value)}. Found: ${String(values.get(field))}`);
}
