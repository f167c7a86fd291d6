// What a native context allows: steps, sequence ids, outputs.

import type { KernelLimits } from '../kernel-port.ts';
import { type ContextOptions, outputsMaxOf } from './context.ts';
import { prefixSharing } from './model-shape.ts';
import type { ContextPointer } from './native.ts';
import { spareSeq } from './sequence-state.ts';

/** llama.cpp's own bound on sequence ids in one context (LLAMA_MAX_SEQ). */
export const cacheSeqCountMax = 256;

/** Of a context that was made with these options. */
export function readLimits(options: ContextOptions, context: ContextPointer): KernelLimits {
  const { model } = options;
  const { native } = model.libraries;
  const sharesPrefixes = prefixSharing(model.shape).kind === 'blocks';
  const nativeSeqCount = native.llama_n_seq_max(context);
  // One id stays spare, unless every id can be parked as it is.
  const offered = nativeSeqCount >= cacheSeqCountMax ? cacheSeqCountMax : spareSeq;
  const pooledSeqCount = Math.min(options.cacheSeqCount ?? offered, offered);
  return {
    cellCount: native.llama_n_ctx(context),
    layout: options.layout,
    batchTokensMax: native.llama_n_batch(context),
    passTokensMax: native.llama_n_ubatch(context),
    positionsTrained: model.shape.contextTokensTrained,
    outputRowsMax: outputsMaxOf(options),
    // Recurrent states exist per n_seq_max, and window layers are sized by it: no more ids than that.
    cacheSeqCount: options.layout === 'pooled' && sharesPrefixes ? pooledSeqCount : nativeSeqCount,
    vocabularySize: model.vocabularySize,
    endTokenIds: model.endTokenIds,
    sharesPrefixes,
  };
}
