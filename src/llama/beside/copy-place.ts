// When states are copied to and from host memory: beside the steps, or between them.

import type { ContextOptions } from '../context.ts';
import { computesLogitsOnHost } from '../model.ts';
import { prefixSharing } from '../model-shape.ts';

/** `auto`: beside the steps where CUDA computes all layers. On a CPU a copy would take the cores that compute. */
export type CopyPlace = 'auto' | 'beside' | 'between';

export interface CopyOptions extends ContextOptions {
  /** Default: `auto`. Where copies cannot be made beside steps they are made between them. */
  readonly copies?: CopyPlace | undefined;
}

/** Whether copies beside steps are wanted and the layout allows them: a slab for each sequence, whose cells are its positions. */
export function wantsCopiesBeside({ model, layout, copies = 'auto' }: CopyOptions): boolean {
  if (copies === 'between' || layout !== 'per-sequence' || prefixSharing(model.shape).kind === 'none') return false;
  return copies === 'beside' || (model.libraries.gpu === 'cuda' && !computesLogitsOnHost(model));
}
