// One ggml threadpool per context, made once; two where steps of one row and longer ones have different numbers of threads.
// Why: without one, ggml creates and joins threads for every graph, that is at every step. Measured on two cores: 1.1 ms
// instead of 12 ms a step for the embedded model, 6.6 instead of 12 for a 135M one, 25 instead of 35 with 8 sequences.
// Source: ggml-cpu exports ggml_threadpool_new through its backend registry, as llama.cpp's own tools use it.

import koffi from 'koffi';
import type { Libraries } from './libraries.ts';
import type { ContextPointer, ThreadpoolPointer } from './native.ts';
import { type ThreadpoolParams, threadpoolParamsStruct } from './native-structs.ts';

/**
 * Threads sleep between graphs. ggml's default of 50 spins for up to 200 ms after each step, which takes a core from the
 * sampling threads (32 rows of 50K logits: 2.5 ms instead of 1.5) and the server process, and makes no step faster.
 */
const poll = 0;

export interface Threadpool {
  /** Detaches from the context and ends the threads. */
  dispose(): void;
}

export interface ThreadCounts {
  /** For steps of one row. */
  readonly threads: number;
  /** For longer ones. Default: as many. */
  readonly batchThreads?: number;
}

/** Attaches pools of so many threads to a context; undefined when the CPU backend offers none. */
export function attachThreadpool(
  libraries: Libraries,
  context: ContextPointer,
  { threads, batchThreads = threads }: ThreadCounts,
): Threadpool | undefined {
  const { native } = libraries;
  const backend = native.ggml_backend_reg_by_name('CPU');
  if (backend === null) return undefined;
  const create = native.ggml_backend_reg_get_proc_address(backend, 'ggml_threadpool_new');
  const free = native.ggml_backend_reg_get_proc_address(backend, 'ggml_threadpool_free');
  if (create === null || free === null) return undefined;
  const freePool = koffi.decode(free, koffi.proto('void', ['void*'])) as (ended: ThreadpoolPointer) => void;
  const poolOf = (count: number) => createPool(create, { ...native.ggml_threadpool_params_default(count), poll });
  const pool = poolOf(threads);
  if (pool === null) return undefined;
  // llama.cpp pauses the one when it takes the other.
  const batchPool = batchThreads === threads ? pool : (poolOf(batchThreads) ?? pool);
  native.llama_attach_threadpool(context, pool, batchPool);
  return {
    dispose() {
      native.llama_detach_threadpool(context);
      for (const ended of new Set([pool, batchPool])) freePool(ended);
    },
  };
}

function createPool(create: bigint, params: ThreadpoolParams): ThreadpoolPointer | null {
  const call = koffi.decode(create, koffi.proto('void*', ['void*'])) as (params: bigint) => ThreadpoolPointer | null;
  const memory = koffi.alloc(threadpoolParamsStruct, 1) as bigint;
  koffi.encode(memory, threadpoolParamsStruct, params);
  const pool = call(memory);
  koffi.free(memory);
  return pool;
}
