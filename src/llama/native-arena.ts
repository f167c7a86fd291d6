// Native memory for one call: lists of structs, texts and numbers that point at one another, freed together.
// Why native: what a call on another thread reads must neither move nor be collected while it runs.

import koffi from 'koffi';

export interface NativeMemory {
  readonly address: bigint;
  /** Its bytes, zero at first. */
  readonly view: DataView;
  write(offset: number, bytes: Uint8Array): void;
}

export interface NativeArena {
  /** Zeroed memory of at least one byte. */
  allocate(bytes: number): NativeMemory;
  /** The address of a text in UTF-8, ended by a zero byte. */
  text(text: string): bigint;
  /** Frees all of it; nothing native may read it any more. */
  free(): void;
}

const encoder = new TextEncoder();

export function createArena(): NativeArena {
  const addresses: bigint[] = [];
  function allocate(bytes: number): NativeMemory {
    const size = Math.max(1, bytes);
    const address = koffi.alloc('uint8_t', size) as bigint;
    addresses.push(address);
    const all = new Uint8Array(koffi.view(address, size)).fill(0);
    return {
      address,
      view: new DataView(all.buffer),
      write: (offset, from) => all.set(from, offset),
    };
  }
  return {
    allocate,
    text(text) {
      const bytes = encoder.encode(text);
      const memory = allocate(bytes.length + 1);
      memory.write(0, bytes);
      return memory.address;
    },
    free() {
      for (const address of addresses.splice(0)) koffi.free(address);
    },
  };
}
