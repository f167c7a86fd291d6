// Reads and writes rows of the cache on another thread, and lets llama.cpp make positions without writing their rows.
// Why llama.cpp must make the positions: only it knows its cells. It has one function that does so for a state, which copies all rows as
// well, on the thread that calls it, and that is what takes the time.
// How the rows are left out: a buffer carries the functions that copy to and from it. For that one call the one that writes is another,
// which writes nothing; rows are written by the function that was there, called directly: never by way of the buffer, because a write on
// another thread may be under way while the buffer has the other one.
// Source: struct ggml_backend_buffer and ggml_backend_tensor_set of llama.cpp v0.5.0.

import koffi from 'koffi';
import { assert, must } from '../../assert.ts';
import type { TensorPointer } from '../activations/native-graph.ts';
import type { BufferPointer } from '../host-memory.ts';
import { callAsync, type NativeFunction } from '../native.ts';
import type { CacheTensor } from './cache-tensors.ts';
import type { NativeCopies } from './native-copies.ts';

export interface CacheRows {
  /** Copies as many bytes as `to` has. */
  read(tensor: CacheTensor, to: Uint8Array, offset: number): Promise<void>;
  write(tensor: CacheTensor, from: Uint8Array, offset: number): Promise<void>;
  /** Runs a change of llama.cpp's: what it writes to the cache's rows meanwhile is left out. */
  withoutRows<T>(change: () => T): T;
  /** Nothing may be under way. */
  dispose(): void;
}

type SetTensor = NativeFunction<
  [buffer: BufferPointer, tensor: TensorPointer, from: Uint8Array, offset: number, bytes: number],
  void
>;

const setTensor = koffi.proto('void', ['void*', 'void*', 'void*', 'size_t', 'size_t']);
const pointerBytes = 8;
/** ggml_backend_buffer begins with its functions; before this one are those that free, tell the base, prepare tensors and fill. */
const setTensorOffset = 4 * pointerBytes;

/** Throws where the buffers are laid out otherwise. */
export function openCacheRows(native: NativeCopies, tensors: readonly CacheTensor[]): CacheRows {
  const originals = new Map(tensors.map(({ buffer }) => [buffer, readFunction(buffer)]));
  const writers = new Map([...originals].map(([buffer, address]) => [buffer, bindFunction(address)]));
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
  return {
    read: ({ pointer }, to, offset) => callAsync(native.ggml_backend_tensor_get, pointer, to, offset, to.byteLength),
    write({ pointer, buffer }, from, offset) {
      const writer = must(writers.get(buffer), 'every buffer has a function that writes');
      return callAsync(writer, buffer, pointer, from, offset, from.byteLength);
    },
    withoutRows,
    dispose,
  };
}

function readFunction(buffer: BufferPointer): bigint {
  const address = koffi.decode(buffer, setTensorOffset, 'void*') as bigint | null;
  assert(address !== null, 'a buffer has a function that writes');
  return address;
}

function writeFunction(buffer: BufferPointer, address: bigint): void {
  koffi.encode(buffer, setTensorOffset, 'void*', address);
}

function bindFunction(address: bigint): SetTensor {
  return koffi.decode(address, setTensor) as unknown as SetTensor;
}
