// The functions of llama.cpp that switch hidden states on and read them, for multi-token heads.
// Why C++ names: they stand in a staging interface, outside llama.h, and are exported as the compiler spells them. With GCC and
// Clang that is as below; where a library spells them otherwise (Windows), heads are refused, and everything else serves.
// Source: src/llama-ext.h of llama.cpp v0.5.0.

import { bindTable, type ContextPointer, type NativePaths, type Prototype } from '../native.ts';

export interface NativeHeads {
  /** Lets decodes leave hidden states: of rows marked as output with `outputsOnly`, else of all rows. */
  setStates(context: ContextPointer, isOn: boolean, outputsOnly: boolean): void;
  /** The last decode's, one row after another; waits for it. */
  states(context: ContextPointer): bigint | null;
}

const set = '_Z26llama_set_embeddings_nextnP13llama_contextbb';
const get = '_Z26llama_get_embeddings_nextnP13llama_context';

const prototypes = {
  [set]: ['void', ['void*', 'bool', 'bool']],
  [get]: ['void*', ['void*']],
} as const satisfies Record<string, Prototype>;

/** Throws when one of the functions is missing. */
export function bindHeads({ llama }: Pick<NativePaths, 'llama'>): NativeHeads {
  const bound = bindTable(llama, prototypes);
  return { setStates: bound[set], states: bound[get] } as NativeHeads;
}
