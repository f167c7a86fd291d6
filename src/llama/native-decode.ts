// One native decode, off the JavaScript thread.

import type { LlamaModel } from './model.ts';
import { type ContextPointer, callAsync } from './native.ts';
import type { NativeBatch } from './native-structs.ts';

/** Computes a batch, waiting for a device too; answers llama_decode's code. */
export type NativeDecode = (batch: NativeBatch) => Promise<number>;

export function createDecode({ libraries }: LlamaModel, context: ContextPointer): NativeDecode {
  const { native, gpu } = libraries;
  return async (batch) => {
    const code = await callAsync(native.llama_decode, context, batch);
    // A GPU still computes when llama_decode has returned; waiting for it must not block this thread.
    if (code === 0 && gpu !== 'off') await callAsync(native.llama_synchronize, context);
    return code;
  };
}
