// The functions of llama.cpp and ggml that Octet calls, typed, and their binding through koffi.
// Why C names: they are read beside llama.h. Why prototypes as a table: the interface below and the table are the whole
// contract with the native side, and one cast at the end is the only place where the two could disagree.

import koffi, { type LibraryHandle, type TypeObject } from 'koffi';
import type { Brand } from '../ids.ts';
import {
  batchStruct,
  type ContextParams,
  contextParamsStruct,
  type ModelParams,
  modelParamsStruct,
  type NativeBatch,
  type ThreadpoolParams,
  threadpoolParamsStruct,
} from './native-structs.ts';

export type ModelPointer = Brand<bigint, 'llama_model'>;
export type ContextPointer = Brand<bigint, 'llama_context'>;
export type VocabularyPointer = Brand<bigint, 'llama_vocab'>;
export type MemoryPointer = Brand<bigint, 'llama_memory'>;
export type DevicePointer = Brand<bigint, 'ggml_backend_dev'>;
export type BackendPointer = Brand<bigint, 'ggml_backend_reg'>;
export type ThreadpoolPointer = Brand<bigint, 'ggml_threadpool'>;

/** A native function that may also run on another thread: `call.async(...args, (error, result) => ...)`. */
export interface NativeFunction<Arguments extends readonly unknown[], Result> {
  (...args: Arguments): Result;
  async(...args: [...Arguments, (error: Error | null, result: Result) => void]): void;
}

/** The part of llama.h and ggml-backend.h in use. Sizes come back as numbers; all of them are below 2^53. */
export interface Native {
  llama_version(): string;
  llama_backend_init(): void;
  llama_log_set(callback: bigint | null, userData: null): void;
  llama_max_parallel_sequences(): number;
  llama_supports_gpu_offload(): boolean;

  llama_model_default_params(): ModelParams;
  readonly llama_model_load_from_file: NativeFunction<[path: string, params: ModelParams], ModelPointer | null>;
  readonly llama_model_load_from_splits: NativeFunction<
    [paths: readonly string[], count: number, params: ModelParams],
    ModelPointer | null
  >;
  llama_model_free(model: ModelPointer): void;
  llama_model_get_vocab(model: ModelPointer): VocabularyPointer;
  llama_model_n_ctx_train(model: ModelPointer): number;
  llama_model_n_embd(model: ModelPointer): number;
  llama_model_n_embd_out(model: ModelPointer): number;
  llama_model_n_cls_out(model: ModelPointer): number;
  llama_model_cls_label(model: ModelPointer, index: number): string | null;
  llama_model_n_layer(model: ModelPointer): number;
  llama_model_n_head(model: ModelPointer): number;
  llama_model_n_head_kv(model: ModelPointer): number;
  llama_model_n_swa(model: ModelPointer): number;
  llama_model_size(model: ModelPointer): number;
  llama_model_n_params(model: ModelPointer): number;
  llama_model_ftype(model: ModelPointer): number;
  llama_model_desc(model: ModelPointer, text: Uint8Array, size: number): number;
  llama_model_has_encoder(model: ModelPointer): boolean;
  llama_model_has_decoder(model: ModelPointer): boolean;
  llama_model_is_recurrent(model: ModelPointer): boolean;
  llama_model_is_hybrid(model: ModelPointer): boolean;
  llama_model_is_diffusion(model: ModelPointer): boolean;
  llama_model_chat_template(model: ModelPointer, name: string | null): string | null;
  llama_model_meta_count(model: ModelPointer): number;
  llama_model_meta_key_by_index(model: ModelPointer, index: number, text: Uint8Array, size: number): number;
  llama_model_meta_val_str(model: ModelPointer, key: string, text: Uint8Array, size: number): number;

  llama_context_default_params(): ContextParams;
  readonly llama_init_from_model: NativeFunction<[model: ModelPointer, params: ContextParams], ContextPointer | null>;
  llama_free(context: ContextPointer): void;
  llama_n_ctx(context: ContextPointer): number;
  llama_n_ctx_seq(context: ContextPointer): number;
  llama_n_batch(context: ContextPointer): number;
  llama_n_ubatch(context: ContextPointer): number;
  llama_n_seq_max(context: ContextPointer): number;
  llama_get_memory(context: ContextPointer): MemoryPointer | null;
  llama_attach_threadpool(context: ContextPointer, pool: ThreadpoolPointer, poolBatch: ThreadpoolPointer): void;
  llama_detach_threadpool(context: ContextPointer): void;
  readonly llama_decode: NativeFunction<[context: ContextPointer, batch: NativeBatch], number>;
  readonly llama_encode: NativeFunction<[context: ContextPointer, batch: NativeBatch], number>;
  readonly llama_synchronize: NativeFunction<[context: ContextPointer], void>;
  llama_get_logits(context: ContextPointer): bigint | null;
  llama_get_embeddings(context: ContextPointer): bigint | null;
  llama_get_embeddings_seq(context: ContextPointer, seq: number): bigint | null;

  llama_memory_clear(memory: MemoryPointer, contents: boolean): void;
  llama_memory_seq_rm(memory: MemoryPointer, seq: number, from: number, to: number): boolean;
  llama_memory_seq_cp(memory: MemoryPointer, source: number, target: number, from: number, to: number): void;
  llama_memory_seq_pos_min(memory: MemoryPointer, seq: number): number;
  llama_memory_seq_pos_max(memory: MemoryPointer, seq: number): number;
  llama_memory_can_shift(memory: MemoryPointer): boolean;
  llama_state_seq_get_size_ext(context: ContextPointer, seq: number, flags: number): number;
  llama_state_seq_get_data_ext(
    context: ContextPointer,
    to: Uint8Array,
    size: number,
    seq: number,
    flags: number,
  ): number;
  llama_state_seq_set_data_ext(
    context: ContextPointer,
    from: Uint8Array,
    size: number,
    seq: number,
    flags: number,
  ): number;

  llama_vocab_n_tokens(vocabulary: VocabularyPointer): number;
  llama_vocab_get_text(vocabulary: VocabularyPointer, token: number): string | null;
  llama_vocab_get_attr(vocabulary: VocabularyPointer, token: number): number;
  llama_vocab_is_eog(vocabulary: VocabularyPointer, token: number): boolean;
  llama_vocab_is_control(vocabulary: VocabularyPointer, token: number): boolean;
  llama_vocab_bos(vocabulary: VocabularyPointer): number;
  llama_vocab_eos(vocabulary: VocabularyPointer): number;
  llama_vocab_eot(vocabulary: VocabularyPointer): number;
  llama_vocab_fim_pre(vocabulary: VocabularyPointer): number;
  llama_vocab_fim_suf(vocabulary: VocabularyPointer): number;
  llama_vocab_fim_mid(vocabulary: VocabularyPointer): number;
  llama_vocab_get_add_bos(vocabulary: VocabularyPointer): boolean;
  llama_vocab_get_add_eos(vocabulary: VocabularyPointer): boolean;
  llama_vocab_get_add_sep(vocabulary: VocabularyPointer): boolean;
  llama_vocab_sep(vocabulary: VocabularyPointer): number;
  readonly llama_tokenize: NativeFunction<
    [
      VocabularyPointer,
      text: Uint8Array,
      bytes: number,
      to: Int32Array,
      tokensMax: number,
      bos: boolean,
      special: boolean,
    ],
    number
  >;
  llama_token_to_piece(
    ...args: [VocabularyPointer, token: number, to: Uint8Array, bytesMax: number, skipSpaces: number, special: boolean]
  ): number;

  ggml_backend_load_all_from_path(folder: string): void;
  ggml_backend_load(path: string): BackendPointer | null;
  ggml_backend_dev_count(): number;
  ggml_backend_dev_get(index: number): DevicePointer;
  ggml_backend_reg_by_name(name: string): BackendPointer | null;
  ggml_backend_dev_name(device: DevicePointer): string;
  ggml_backend_dev_description(device: DevicePointer): string;
  ggml_backend_dev_type(device: DevicePointer): number;
  ggml_backend_dev_memory(device: DevicePointer, free: BigUint64Array, total: BigUint64Array): void;
  ggml_backend_reg_get_proc_address(backend: BackendPointer, name: string): bigint | null;
  ggml_threadpool_params_default(threads: number): ThreadpoolParams;
}

export type Prototype = readonly [result: string | TypeObject, parameters: readonly (string | TypeObject)[]];

const llamaPrototypes = {
  llama_version: ['str', []],
  llama_backend_init: ['void', []],
  llama_log_set: ['void', ['void*', 'void*']],
  llama_max_parallel_sequences: ['size_t', []],
  llama_supports_gpu_offload: ['bool', []],
  llama_model_default_params: [modelParamsStruct, []],
  llama_model_load_from_file: ['void*', ['str', modelParamsStruct]],
  llama_model_load_from_splits: ['void*', [koffi.pointer('str'), 'size_t', modelParamsStruct]],
  llama_model_free: ['void', ['void*']],
  llama_model_get_vocab: ['void*', ['void*']],
  llama_model_n_ctx_train: ['int32_t', ['void*']],
  llama_model_n_embd: ['int32_t', ['void*']],
  llama_model_n_embd_out: ['int32_t', ['void*']],
  llama_model_n_cls_out: ['uint32_t', ['void*']],
  llama_model_cls_label: ['str', ['void*', 'uint32_t']],
  llama_model_n_layer: ['int32_t', ['void*']],
  llama_model_n_head: ['int32_t', ['void*']],
  llama_model_n_head_kv: ['int32_t', ['void*']],
  llama_model_n_swa: ['int32_t', ['void*']],
  llama_model_size: ['uint64_t', ['void*']],
  llama_model_n_params: ['uint64_t', ['void*']],
  llama_model_ftype: ['int', ['void*']],
  llama_model_desc: ['int32_t', ['void*', 'void*', 'size_t']],
  llama_model_has_encoder: ['bool', ['void*']],
  llama_model_has_decoder: ['bool', ['void*']],
  llama_model_is_recurrent: ['bool', ['void*']],
  llama_model_is_hybrid: ['bool', ['void*']],
  llama_model_is_diffusion: ['bool', ['void*']],
  llama_model_chat_template: ['str', ['void*', 'str']],
  llama_model_meta_count: ['int32_t', ['void*']],
  llama_model_meta_key_by_index: ['int32_t', ['void*', 'int32_t', 'void*', 'size_t']],
  llama_model_meta_val_str: ['int32_t', ['void*', 'str', 'void*', 'size_t']],
  llama_context_default_params: [contextParamsStruct, []],
  llama_init_from_model: ['void*', ['void*', contextParamsStruct]],
  llama_free: ['void', ['void*']],
  llama_n_ctx: ['uint32_t', ['void*']],
  llama_n_ctx_seq: ['uint32_t', ['void*']],
  llama_n_batch: ['uint32_t', ['void*']],
  llama_n_ubatch: ['uint32_t', ['void*']],
  llama_n_seq_max: ['uint32_t', ['void*']],
  llama_get_memory: ['void*', ['void*']],
  llama_attach_threadpool: ['void', ['void*', 'void*', 'void*']],
  llama_detach_threadpool: ['void', ['void*']],
  llama_decode: ['int32_t', ['void*', batchStruct]],
  llama_encode: ['int32_t', ['void*', batchStruct]],
  llama_synchronize: ['void', ['void*']],
  llama_get_logits: ['void*', ['void*']],
  llama_get_embeddings: ['void*', ['void*']],
  llama_get_embeddings_seq: ['void*', ['void*', 'int32_t']],
  llama_memory_clear: ['void', ['void*', 'bool']],
  llama_memory_seq_rm: ['bool', ['void*', 'int32_t', 'int32_t', 'int32_t']],
  llama_memory_seq_cp: ['void', ['void*', 'int32_t', 'int32_t', 'int32_t', 'int32_t']],
  llama_memory_seq_pos_min: ['int32_t', ['void*', 'int32_t']],
  llama_memory_seq_pos_max: ['int32_t', ['void*', 'int32_t']],
  llama_memory_can_shift: ['bool', ['void*']],
  llama_state_seq_get_size_ext: ['size_t', ['void*', 'int32_t', 'uint32_t']],
  llama_state_seq_get_data_ext: ['size_t', ['void*', 'void*', 'size_t', 'int32_t', 'uint32_t']],
  llama_state_seq_set_data_ext: ['size_t', ['void*', 'void*', 'size_t', 'int32_t', 'uint32_t']],
  llama_vocab_n_tokens: ['int32_t', ['void*']],
  llama_vocab_get_text: ['str', ['void*', 'int32_t']],
  llama_vocab_get_attr: ['int', ['void*', 'int32_t']],
  llama_vocab_is_eog: ['bool', ['void*', 'int32_t']],
  llama_vocab_is_control: ['bool', ['void*', 'int32_t']],
  llama_vocab_bos: ['int32_t', ['void*']],
  llama_vocab_eos: ['int32_t', ['void*']],
  llama_vocab_eot: ['int32_t', ['void*']],
  llama_vocab_fim_pre: ['int32_t', ['void*']],
  llama_vocab_fim_suf: ['int32_t', ['void*']],
  llama_vocab_fim_mid: ['int32_t', ['void*']],
  llama_vocab_get_add_bos: ['bool', ['void*']],
  llama_vocab_get_add_eos: ['bool', ['void*']],
  llama_vocab_get_add_sep: ['bool', ['void*']],
  llama_vocab_sep: ['int32_t', ['void*']],
  llama_tokenize: ['int32_t', ['void*', 'void*', 'int32_t', 'void*', 'int32_t', 'bool', 'bool']],
  llama_token_to_piece: ['int32_t', ['void*', 'int32_t', 'void*', 'int32_t', 'int32_t', 'bool']],
} as const satisfies Record<string, Prototype>;

const ggmlPrototypes = {
  ggml_backend_load_all_from_path: ['void', ['str']],
  ggml_backend_load: ['void*', ['str']],
  ggml_backend_dev_count: ['size_t', []],
  ggml_backend_dev_get: ['void*', ['size_t']],
  ggml_backend_reg_by_name: ['void*', ['str']],
} as const satisfies Record<string, Prototype>;

const ggmlBasePrototypes = {
  ggml_backend_dev_name: ['str', ['void*']],
  ggml_backend_dev_description: ['str', ['void*']],
  ggml_backend_dev_type: ['int', ['void*']],
  ggml_backend_dev_memory: ['void', ['void*', 'void*', 'void*']],
  ggml_backend_reg_get_proc_address: ['void*', ['void*', 'str']],
  ggml_threadpool_params_default: [threadpoolParamsStruct, ['int']],
} as const satisfies Record<string, Prototype>;

export interface NativePaths {
  readonly ggmlBase: string;
  readonly ggml: string;
  readonly llama: string;
}

/** Loads the three libraries into this process and binds every function; throws when a symbol is missing. */
export function bindNative(paths: NativePaths): Native {
  const bound: Record<keyof Native, unknown> = {
    ...bindTable(paths.ggmlBase, ggmlBasePrototypes),
    ...bindTable(paths.ggml, ggmlPrototypes),
    ...bindTable(paths.llama, llamaPrototypes),
  };
  return bound as unknown as Native;
}

/**
 * Binds the functions of a table in one library file (library-packages.ts names them), for tables that live in files of their
 * own: what only quantizing or calibrating needs is no business of serving. Loading a file again costs nothing.
 */
export function bindTable<Name extends string>(
  path: string,
  table: Readonly<Record<Name, Prototype>>,
): Record<Name, unknown> {
  const library: LibraryHandle = koffi.load(path, { global: true });
  const entries = Object.entries<Prototype>(table);
  const bound = entries.map(([name, [result, parameters]]) => [name, library.func(name, result, [...parameters])]);
  return Object.fromEntries(bound) as Record<Name, unknown>;
}

/** Awaits a native function that runs on another thread. */
export function callAsync<Arguments extends readonly unknown[], Result>(
  call: NativeFunction<Arguments, Result>,
  ...args: Arguments
): Promise<Result> {
  return new Promise((resolve, reject) => {
    call.async(...args, (error, result) => (error === null ? resolve(result) : reject(error)));
  });
}
