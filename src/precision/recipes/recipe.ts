// A recipe: which number format each tensor of a model gets.
// Why steps: what changes weights before they are quantized (scaling, smoothing) becomes a step before the one there is now.
// Why the first rule that matches decides: read from the top, exceptions stand above what they are exceptions from, and
// llama.cpp's own list of overrides works so.

import type { TensorTypeName } from '../../llama/tensor-types.ts';
import type { MixName } from './mixes.ts';

export interface Recipe {
  /** What the result is called: `q4_k_m`, `int4-protected-edges`, or the recipe file's name. */
  readonly name: string;
  /** In order; the last one quantizes. */
  readonly steps: readonly RecipeStep[];
}

export type RecipeStep = QuantizeStep;

/** Gives each tensor a number format. */
export interface QuantizeStep {
  readonly kind: 'quantize';
  /** For tensors that no rule matches. */
  readonly base: RecipeBase;
  /** The first that matches a tensor decides. */
  readonly rules: readonly RecipeRule[];
}

/** One format for all, or llama.cpp's choice for each. */
export type RecipeBase =
  | { readonly kind: 'type'; readonly type: TensorTypeName }
  | { readonly kind: 'mix'; readonly mix: MixName };

export interface RecipeRule {
  /** Patterns (patterns.ts) of which one must match; empty means every tensor. */
  readonly tensors: readonly string[];
  /** Ranges of layers (layers.ts) of which one must hold the tensor's; empty means every layer, and tensors of none. */
  readonly layers: readonly string[];
  readonly type: TensorTypeName;
}
