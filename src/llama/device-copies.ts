// Times copies inside a GPU's memory by ggml's own calls: what the device's memory bandwidth is, for benchmarks.
// Why through ggml: it is the only way to the device that every backend has.

import koffi from 'koffi';
import type { Libraries } from './libraries.ts';
import { libraryFiles } from './library-packages.ts';
import { bindTable } from './native.ts';

interface CopyFunctions {
  ggml_init(params: { mem_size: number; mem_buffer: null; no_alloc: boolean }): bigint;
  ggml_free(context: bigint): void;
  ggml_new_tensor_1d(context: bigint, type: number, count: number): bigint;
  ggml_backend_dev_init(device: bigint, parameters: null): bigint;
  ggml_backend_free(backend: bigint): void;
  ggml_backend_alloc_ctx_tensors(context: bigint, backend: bigint): bigint;
  ggml_backend_buffer_free(buffer: bigint): void;
  ggml_backend_tensor_copy(from: bigint, to: bigint): void;
  ggml_backend_synchronize(backend: bigint): void;
}

const initParams = koffi.struct({ mem_size: 'size_t', mem_buffer: 'void*', no_alloc: 'bool' });

function bindCopies(folder: string): CopyFunctions {
  const bound: unknown = bindTable(libraryFiles(folder).ggmlBase, {
    ggml_init: ['void*', [initParams]],
    ggml_free: ['void', ['void*']],
    ggml_new_tensor_1d: ['void*', ['void*', 'int', 'int64_t']],
    ggml_backend_dev_init: ['void*', ['void*', 'void*']],
    ggml_backend_free: ['void', ['void*']],
    ggml_backend_alloc_ctx_tensors: ['void*', ['void*', 'void*']],
    ggml_backend_buffer_free: ['void', ['void*']],
    ggml_backend_tensor_copy: ['void', ['void*', 'void*']],
    ggml_backend_synchronize: ['void', ['void*']],
  });
  return bound as CopyFunctions;
}

export interface CopyWish {
  readonly copyBytes: number;
  /** Figures wanted; each is the mean of several copies. */
  readonly repeats: number;
}

/** Milliseconds of each copy between two buffers on the first GPU; a run of copies is timed, since one takes 0.2 ms. */
export function timeDeviceCopies({ binsDir, gpuDevices }: Libraries, wish: CopyWish): number[] {
  const [device] = gpuDevices;
  if (device === undefined) throw new Error('no GPU device to measure');
  const native = bindCopies(binsDir);
  const backend = native.ggml_backend_dev_init(device, null);
  const context = native.ggml_init({ mem_size: 1 << 20, mem_buffer: null, no_alloc: true });
  const [from, to] = [0, 1].map(() => native.ggml_new_tensor_1d(context, int8Type, wish.copyBytes));
  const buffer = native.ggml_backend_alloc_ctx_tensors(context, backend);
  const times = Array.from({ length: wish.repeats }, () => {
    const started = performance.now();
    for (let copy = 0; copy < copiesTimed; copy++) native.ggml_backend_tensor_copy(from ?? 0n, to ?? 0n);
    native.ggml_backend_synchronize(backend);
    return (performance.now() - started) / copiesTimed;
  });
  native.ggml_backend_buffer_free(buffer);
  native.ggml_free(context);
  native.ggml_backend_free(backend);
  return times;
}

/** GGML_TYPE_I8. */
const int8Type = 24;
const copiesTimed = 8;
