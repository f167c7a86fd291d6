// LoRA adapters of a loaded model: loaded once, and put on a context by name.
// Why the log is silent during the step after a change: llama.cpp then lays out its graphs anew and says so in some hundred
// lines (111 for 6 layers, 471 for 30), each of which would wait for the JavaScript thread.
// Source: llama_adapter_lora_init and llama_set_adapters_lora in llama.h of llama.cpp v0.5.0. The model frees its adapters.

import { must } from '../assert.ts';
import type { Brand } from '../ids.ts';
import type { Libraries } from './libraries.ts';
import { libraryFiles } from './library-packages.ts';
import type { LlamaModel } from './model.ts';
import { bindTable, type ContextPointer, callAsync, type NativeFunction, type Prototype } from './native.ts';

export interface AdapterFile {
  readonly name: string;
  /** A GGUF file. */
  readonly path: string;
  /** Times what the file itself says; 1 leaves it at that. */
  readonly scale: number;
}

type AdapterPointer = Brand<bigint, 'llama_adapter_lora'>;

interface AdapterFunctions {
  readonly llama_adapter_lora_init: NativeFunction<[model: LlamaModel['pointer'], path: string], AdapterPointer | null>;
  llama_set_adapters_lora(
    ...args: [ContextPointer, adapters: BigUint64Array | null, count: number, scales: Float32Array | null]
  ): number;
}

const prototypes = {
  llama_adapter_lora_init: ['void*', ['void*', 'str']],
  llama_set_adapters_lora: ['int32_t', ['void*', 'void*', 'size_t', 'void*']],
} as const satisfies Record<keyof AdapterFunctions, Prototype>;

/** Adapters by name, in the memory of their model. */
export interface LoadedAdapters {
  readonly names: readonly string[];
  /** Puts one on a context, for its next decodes; undefined takes it off. */
  apply(context: ContextPointer, name: string | undefined): void;
}

/** Loads adapters onto a model; throws with llama.cpp's own words, the adapter's name and its path when it cannot. */
export async function loadAdapters(model: LlamaModel, files: readonly AdapterFile[]): Promise<LoadedAdapters> {
  const functions = bindAdapters(model.libraries);
  const loaded = new Map<string, { readonly pointer: AdapterPointer; readonly scale: number }>();
  for (const { name, path, scale } of files)
    loaded.set(name, { pointer: await loadAdapter(model, { name, path, functions }), scale });
  return {
    names: [...loaded.keys()],
    apply(context, name) {
      if (name === undefined) {
        functions.llama_set_adapters_lora(context, null, 0, null);
        return;
      }
      const { pointer, scale } = must(loaded.get(name), `an adapter is loaded under the name ${name}`);
      functions.llama_set_adapters_lora(context, BigUint64Array.of(pointer), 1, Float32Array.of(scale));
    },
  };
}

function bindAdapters({ binsDir }: Libraries): AdapterFunctions {
  return bindTable(libraryFiles(binsDir).llama, prototypes) as unknown as AdapterFunctions;
}

interface Loading {
  readonly name: string;
  readonly path: string;
  readonly functions: AdapterFunctions;
}

async function loadAdapter(model: LlamaModel, { name, path, functions }: Loading): Promise<AdapterPointer> {
  const { nativeLog } = model.libraries;
  nativeLog.takeErrors();
  const pointer = await callAsync(functions.llama_adapter_lora_init, model.pointer, path);
  if (pointer !== null) return pointer;
  throw new Error(
    `cannot load the adapter ${name} (${path}): ${nativeLog.takeErrors().join('; ') || 'no reason given'}`,
  );
}
