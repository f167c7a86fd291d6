// Host memory outside the JavaScript heap, of the kind that a device copies from and to fastest.
// Why the device's own kind: it is page-locked where the driver allows it, so that the device reads and writes it by itself; what is copied
// to other memory goes through a buffer of the driver's, a piece at a time.

import koffi from 'koffi';
import type { Libraries } from './libraries.ts';

/** Whoever has it frees it; `buffer` and views of it must not be looked at afterwards. */
export interface HostMemory {
  readonly address: bigint;
  readonly buffer: ArrayBuffer;
  free(): void;
}

/** Memory of so many bytes, at least 1; what it holds is undefined. */
export type AllocateHostMemory = (byteCount: number) => HostMemory;

/** The kind of the first device; undefined without devices, or where it has none of its own. */
export function deviceHostMemory({ native, gpuDevices }: Libraries): AllocateHostMemory | undefined {
  const [device] = gpuDevices;
  const type = device === undefined ? null : native.ggml_backend_dev_host_buffer_type(device);
  if (type === null) return undefined;
  return (byteCount) => {
    const buffer = native.ggml_backend_buft_alloc_buffer(type, byteCount);
    if (buffer === null) return allocatePlain(byteCount);
    const address = native.ggml_backend_buffer_get_base(buffer);
    return viewed(address, byteCount, () => native.ggml_backend_buffer_free(buffer));
  };
}

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
