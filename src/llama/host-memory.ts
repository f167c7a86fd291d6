// Host memory outside the JavaScript heap, of the kind that a device copies from and to fastest.
// Why the device's own kind: it is page-locked where the driver allows it, so that the device reads and writes it by itself; what is copied
// to other memory goes through a buffer of the driver's, a piece at a time.

import koffi from 'koffi';
import type { Brand } from '../ids.ts';
import type { Libraries } from './libraries.ts';
import { libraryFiles } from './library-packages.ts';
import { bindTable, callAsync, type DevicePointer, type NativeFunction, type Prototype } from './native.ts';

export type BufferPointer = Brand<bigint, 'ggml_backend_buffer'>;
export type BufferTypePointer = Brand<bigint, 'ggml_backend_buffer_type'>;

/** Source: ggml/include/ggml-backend.h of llama.cpp v0.5.0. */
interface NativeHostMemory {
  /** Null where the device has none of its own. */
  ggml_backend_dev_host_buffer_type(device: DevicePointer): BufferTypePointer | null;
  readonly ggml_backend_buft_alloc_buffer: NativeFunction<
    [type: BufferTypePointer, bytes: number],
    BufferPointer | null
  >;
  ggml_backend_buffer_get_base(buffer: BufferPointer): bigint;
  ggml_backend_buffer_free(buffer: BufferPointer): void;
}

const prototypes = {
  ggml_backend_dev_host_buffer_type: ['void*', ['void*']],
  ggml_backend_buft_alloc_buffer: ['void*', ['void*', 'size_t']],
  ggml_backend_buffer_get_base: ['void*', ['void*']],
  ggml_backend_buffer_free: ['void', ['void*']],
} as const satisfies Record<keyof NativeHostMemory, Prototype>;

/** Whoever has it frees it; `buffer` and views of it must not be looked at afterwards. */
export interface HostMemory {
  readonly address: bigint;
  readonly buffer: ArrayBuffer;
  free(): void;
}

/** Memory of so many bytes, at least 1; what it holds is undefined. */
export type AllocateHostMemory = (byteCount: number) => HostMemory;

export interface HostMemorySource {
  readonly allocate: AllocateHostMemory;
  /** The same on another thread: locking the pages of 68 MiB took 37 ms on an H100's host. */
  readonly allocateAsync: (byteCount: number) => Promise<HostMemory>;
  /** As `allocateAsync`, page-locked for certain: undefined where it cannot be. */
  readonly allocateLocked?: (byteCount: number) => Promise<HostMemory | undefined>;
}

/** The kind of the first device; undefined without devices, or where it has none of its own. */
export function deviceHostMemory({ binsDir, gpuDevices }: Libraries): HostMemorySource | undefined {
  const [device] = gpuDevices;
  if (device === undefined) return undefined;
  const native = bindTable(libraryFiles(binsDir).ggmlBase, prototypes) as unknown as NativeHostMemory;
  const type = native.ggml_backend_dev_host_buffer_type(device);
  if (type === null) return undefined;
  const { ggml_backend_buft_alloc_buffer: allocate } = native;
  const lockedIn = (buffer: BufferPointer | null, byteCount: number): HostMemory | undefined => {
    if (buffer === null) return undefined;
    const address = native.ggml_backend_buffer_get_base(buffer);
    return viewed(address, byteCount, () => native.ggml_backend_buffer_free(buffer));
  };
  const allocateLocked = async (byteCount: number) => lockedIn(await callAsync(allocate, type, byteCount), byteCount);
  return {
    allocateLocked,
    allocate: (byteCount) => lockedIn(allocate(type, byteCount), byteCount) ?? allocatePlain(byteCount),
    allocateAsync: async (byteCount) => (await allocateLocked(byteCount)) ?? allocatePlain(byteCount),
  };
}

/** The C library's: pages that nobody has touched yet cost nothing, and who writes to them may be another thread. */
export const plainHostMemory: HostMemorySource = {
  allocate: allocatePlain,
  allocateAsync: async (byteCount) => allocatePlain(byteCount),
};

/** The C library's, zeroed; below 2 GiB. */
export function allocatePlain(byteCount: number): HostMemory {
  const address = koffi.alloc('uint8_t', byteCount) as bigint;
  return viewed(address, byteCount, () => koffi.free(address));
}

function viewed(address: bigint, byteCount: number, free: () => void): HostMemory {
  try {
    return { address, buffer: koffi.view(address, byteCount), free };
  } catch (error) {
    free();
    throw error;
  }
}
