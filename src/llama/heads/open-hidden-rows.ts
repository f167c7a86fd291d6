// The hidden states of a context's rows, for a model whose head reads them and for the head itself.

import type { KernelLimits } from '../../kernel-port.ts';
import type { ContextOptions } from '../context.ts';
import { libraryFiles } from '../library-packages.ts';
import type { ContextPointer } from '../native.ts';
import type { BatchMemory } from '../native-batch.ts';
import { createHiddenRows, type HiddenRows } from './hidden-rows.ts';
import { bindHeads } from './native-heads.ts';

/** Numbers of a hidden state. */
export function stateWidthOf({ model }: Pick<ContextOptions, 'model'>): number {
  return model.libraries.native.llama_model_n_embd_out(model.pointer);
}

export interface HiddenOpening {
  readonly context: ContextPointer;
  readonly limits: KernelLimits;
  readonly batch: BatchMemory;
}

/** Undefined where the context has no part in guessing by a head. Throws an Error where the libraries lack the calls. */
export function openHiddenRows(
  options: ContextOptions,
  { context, limits, batch }: HiddenOpening,
): HiddenRows | undefined {
  const { model, multiToken, microBatchTokens } = options;
  if (multiToken === undefined) return undefined;
  const { batchTokensMax, layout } = limits;
  return createHiddenRows({
    native: bindHeads(libraryFiles(model.libraries.binsDir)),
    context,
    width: stateWidthOf(options),
    batch: batch.step,
    batchTokensMax,
    part: multiToken,
    rules: { layout, microBatchTokens: Math.min(microBatchTokens, batchTokensMax) },
  });
}
