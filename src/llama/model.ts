// A loaded model: its weights (or its vocabulary alone), its shape, and what its cache allows.
// Why loaded off the JavaScript thread: gigabytes take seconds, and the process must answer heartbeats meanwhile.
// Why vocabulary only exists: the server process tokenizes without holding the weights a second time.

import koffi from 'koffi';
import { type TokenId, tokenId } from '../ids.ts';
import type { Libraries } from './libraries.ts';
import { type ModelShape, readModelShape } from './model-shape.ts';
import { callAsync, type ModelPointer, type VocabularyPointer } from './native.ts';
import { readText } from './native-text.ts';

export interface ModelOptions {
  readonly libraries: Libraries;
  /** A GGUF file; of a split model, its first part. */
  readonly path: string;
  /** Every part of a split model, first part first, where their names do not tell; `path` is the first then. */
  readonly parts?: readonly string[];
  /**
   * `weights` loads everything; `vocabulary` loads no weights; `measure` reads the header alone and pretends to have
   * allocated, so that contexts on it report their size without taking memory (memory.ts).
   */
  readonly load: 'weights' | 'vocabulary' | 'measure';
  /** Layers on the GPU; negative means all, 0 none. */
  readonly gpuLayers: number;
  /** Loads its multi-token heads too; `weightBytes` counts them in any case. */
  readonly heads?: boolean;
  readonly onProgress?: (fraction: number) => void;
}

export interface LlamaModel {
  readonly libraries: Libraries;
  readonly pointer: ModelPointer;
  readonly vocabulary: VocabularyPointer;
  readonly shape: ModelShape;
  /** Bytes of all the file's tensors, loaded or not. */
  readonly weightBytes: number;
  readonly parameterCount: number;
  /** As llama.cpp describes it: "llama 8B Q8_0". */
  readonly description: string;
  readonly vocabularySize: number;
  /** Layers on the GPU; negative means all. The one that makes the logits is there with all others only. */
  readonly gpuLayers: number;
  /** Tokens that end generation: end of sequence, of turn, and the model's others. */
  readonly endTokenIds: readonly TokenId[];
  /** A scalar of the GGUF's metadata as text. */
  metadata(key: string): string | undefined;
  /** Puts off what `dispose` frees until a kernel that ends later has ended. */
  keepUntil(ended: Promise<unknown>): void;
  /** Frees the native memory; kernels and tokenizers on the model must be gone. */
  dispose(): void;
}

/** Whether the CPU computes the last layer of all, which makes the logits: it is on a device with all others only. */
export function computesLogitsOnHost({ gpuLayers, shape }: Pick<LlamaModel, 'gpuLayers' | 'shape'>): boolean {
  return gpuLayers >= 0 && gpuLayers <= shape.layerCount;
}

/** Loads a GGUF file; throws with llama.cpp's own words when it cannot. */
export async function loadModel(options: ModelOptions): Promise<LlamaModel> {
  const { libraries } = options;
  const { native, nativeLog } = libraries;
  nativeLog.takeErrors();
  const progress = registerProgress(options.onProgress);
  const devices = libraries.gpu === 'off' ? noDevices() : null;
  try {
    const params = {
      ...native.llama_model_default_params(),
      devices,
      n_gpu_layers: libraries.gpu === 'off' ? 0 : options.gpuLayers,
      vocab_only: options.load === 'vocabulary',
      no_alloc: options.load === 'measure',
      load_mtp: options.heads === true,
      // A model that is only measured cannot be mapped.
      ...(options.load === 'measure' ? { load_mode: 0 } : {}),
      progress_callback: progress,
    };
    const { path, parts } = options;
    const pointer =
      parts === undefined
        ? await callAsync(native.llama_model_load_from_file, path, params)
        : await callAsync(native.llama_model_load_from_splits, parts, parts.length, params);
    if (pointer === null)
      throw new Error(
        `cannot load the model ${options.path}: ${nativeLog.takeErrors().join('; ') || 'no reason given'}`,
      );
    return describeModel(libraries, pointer, params.n_gpu_layers);
  } finally {
    if (progress !== null) koffi.unregister(progress);
    if (devices !== null) koffi.free(devices);
  }
}

/**
 * An empty list of devices, ended by a null. Why it is needed with no layer on a GPU: where libraries find one, llama.cpp still sends it
 * the large matrix products and the attention.
 */
function noDevices(): bigint {
  const list = koffi.alloc('void*', 1) as bigint;
  koffi.encode(list, 'void*', null);
  return list;
}

function registerProgress(onProgress: ((fraction: number) => void) | undefined): bigint | null {
  if (onProgress === undefined) return null;
  const prototype = koffi.proto('bool', ['float', 'void*']);
  return koffi.register((fraction: number) => {
    onProgress(fraction);
    return true;
  }, koffi.pointer(prototype));
}

function describeModel(libraries: Libraries, pointer: ModelPointer, gpuLayers: number): LlamaModel {
  const { native } = libraries;
  const vocabulary = native.llama_model_get_vocab(pointer);
  const vocabularySize = native.llama_vocab_n_tokens(vocabulary);
  const metadata = (key: string) => readText((text, size) => native.llama_model_meta_val_str(pointer, key, text, size));
  let disposed = false;
  let keeperCount = 0;
  const freeUnused = (): void => {
    if (disposed && keeperCount === 0) native.llama_model_free(pointer);
  };
  return {
    libraries,
    pointer,
    vocabulary,
    vocabularySize,
    gpuLayers,
    shape: readModelShape(native, pointer, metadata),
    weightBytes: native.llama_model_size(pointer),
    parameterCount: native.llama_model_n_params(pointer),
    description: readText((text, size) => native.llama_model_desc(pointer, text, size)) ?? '',
    endTokenIds: Array.from({ length: vocabularySize }, (_, token) => token)
      .filter((token) => native.llama_vocab_is_eog(vocabulary, token))
      .map(tokenId),
    metadata,
    keepUntil(ended) {
      keeperCount += 1;
      const letGo = (): void => {
        keeperCount -= 1;
        freeUnused();
      };
      ended.then(letGo, letGo);
    },
    dispose() {
      if (disposed) return;
      disposed = true;
      freeUnused();
    },
  };
}
