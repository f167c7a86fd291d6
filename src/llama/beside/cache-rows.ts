// Reads and writes rows of the cache while a step runs, and lets llama.cpp make positions without writing their rows.
// Why on a stream of its own: a device makes such copies beside what it computes. All of a state's are asked for at once, between two
// steps, and waited for by one call on another thread: a call for each row of layers would wait for its turn each time.
// Why llama.cpp must make the positions: only it knows its cells. It has one function that does so for a state, which copies all rows as
// well and waits for them, and that is what takes the time.
// How the rows are left out: a buffer carries the functions that copy to and from it. For that one call the one that writes is another,
// which writes nothing.
// Source: struct ggml_backend_buffer and ggml_backend_tensor_set of llama.cpp v0.5.0.

import koffi from 'koffi';
import { assert } from '../../assert.ts';
import type { BufferPointer } from '../host-memory.ts';
import { callAsync } from '../native.ts';
import type { CacheTensor } from './cache-tensors.ts';
import type { BackendPointer, NativeCopies } from './native-copies.ts';

export interface CacheRows {
  /** Begins to copy as many bytes as `to` has; both are the copy's until `ended`. */
  read(tensor: CacheTensor, to: Uint8Array, offset: number): void;
  write(tensor: CacheTensor, from: Uint8Array, offset: number): void;
  /** Resolves when everything that was begun so far has ended. */
  ended(): Promise<void>;
  /** Runs a change of llama.cpp's: what it writes to the cache's rows meanwhile is left out. */
  withoutRows<T>(change: () => T): T;
  /** Nothing may be under way. */
  dispose(): void;
}

const setTensor = koffi.proto('void', ['void*', 'void*', 'void*', 'size_t', 'size_t']);
const pointerBytes = 8;
/** ggml_backend_buffer begins with its functions; before this one are those that free, tell the base, prepare tensors and fill. */
const setTensorOffset = 4 * pointerBytes;

/** Throws where the buffers are laid out otherwise. */
export function openCacheRows(native: NativeCopies, tensors: readonly CacheTensor[]): CacheRows {
  const omission = openOmission(native, tensors);
  const backends = openBackends(native, tensors);
  return {
    read({ pointer, buffer }, to, offset) {
      const backend = backends.get(buffer);
      if (backend === undefined) native.ggml_backend_tensor_get(pointer, to, offset, to.byteLength);
      else native.ggml_backend_tensor_get_async(backend, pointer, to, offset, to.byteLength);
    },
    write({ pointer, buffer }, from, offset) {
      const backend = backends.get(buffer);
      if (backend === undefined) native.ggml_backend_tensor_set(pointer, from, offset, from.byteLength);
      else native.ggml_backend_tensor_set_async(backend, pointer, from, offset, from.byteLength);
    },
    async ended() {
      const { ggml_backend_synchronize: synchronize } = native;
      await Promise.all([...new Set(backends.values())].map((backend) => callAsync(synchronize, backend)));
    },
    withoutRows: omission.withoutRows,
    dispose() {
      for (const backend of new Set(backends.values())) native.ggml_backend_free(backend);
      omission.dispose();
    },
  };
}

/** One for each device that has some of the tensors; memory of the CPU's needs none, and is copied at once. */
function openBackends(
  native: NativeCopies,
  tensors: readonly CacheTensor[],
): ReadonlyMap<BufferPointer, BackendPointer> {
  const ofDevice = new Map<bigint, BackendPointer | null>();
  const backends = new Map<BufferPointer, BackendPointer>();
  for (const { buffer } of tensors) {
    const device = native.ggml_backend_buft_get_device(native.ggml_backend_buffer_get_type(buffer));
    if (device === null || backends.has(buffer)) continue;
    const backend = ofDevice.get(device) ?? native.ggml_backend_dev_init(device, null);
    ofDevice.set(device, backend);
    if (backend !== null) backends.set(buffer, backend);
  }
  return backends;
}

function openOmission(
  native: NativeCopies,
  tensors: readonly CacheTensor[],
): Pick<CacheRows, 'withoutRows' | 'dispose'> {
  const originals = new Map(tensors.map(({ buffer }) => [buffer, readFunction(buffer)]));
  let leftOut: (readonly unknown[])[] | undefined;
  const ignore = (...call: readonly unknown[]): void => {
    leftOut?.push(call);
  };
  const ignoring = koffi.register(ignore, koffi.pointer(setTensor));

  function withoutRows<T>(change: () => T): T {
    for (const buffer of originals.keys()) writeFunction(buffer, ignoring);
    try {
      return change();
    } finally {
      for (const [buffer, address] of originals) writeFunction(buffer, address);
    }
  }

  /** Writes a byte to each tensor that must not arrive: else the function was not the one that writes. */
  function check(): void {
    for (const { pointer, buffer } of tensors) {
      leftOut = [];
      withoutRows(() => native.ggml_backend_tensor_set(pointer, new Uint8Array(1), 0, 1));
      const [call] = leftOut;
      leftOut = undefined;
      assert(call !== undefined && call[0] === buffer && call[1] === pointer, 'a buffer writes by its fifth function');
    }
  }

  const dispose = () => koffi.unregister(ignoring);
  try {
    check();
  } catch (error) {
    dispose();
    throw error;
  }
  return { withoutRows, dispose };
}

function readFunction(buffer: BufferPointer): bigint {
  const address = koffi.decode(buffer, setTensorOffset, 'void*') as bigint | null;
  assert(address !== null, 'a buffer has a function that writes');
  return address;
}

function writeFunction(buffer: BufferPointer, address: bigint): void {
  koffi.encode(buffer, setTensorOffset, 'void*', address);
}
