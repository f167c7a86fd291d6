// A recipe: which number format each tensor of a model gets.
// Why steps: what changes weights before they are quantized (scaling, smoothing) stands before what quantizes them.
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

export type RecipeStep = ScalingStep | QuantizeStep;

/** Places between which scales can be moved (scaling/groups.ts). */
export const groupKinds = ['attention-input', 'attention-output', 'ffn-input', 'ffn-output'] as const;
export type GroupKind = (typeof groupKinds)[number];

/** Moves scales between tensors, so that rounding hurts less; the model computes the same before it is quantized. */
export type ScalingStep = AwqStep | SmoothStep;

interface StepOnActivations {
  readonly groups: readonly GroupKind[];
  /** Path of an importance matrix: how large activations are. Undefined takes the one that quantizing gets. */
  readonly statistics: string | undefined;
  /** What counts as the size of a channel's activations. */
  readonly activations: ActivationSize;
}

/** `rms`: their root mean square. `largest`: the largest of them, which only matrices of octet calibrate hold. */
export const activationSizes = ['rms', 'largest'] as const;
export type ActivationSize = (typeof activationSizes)[number];
/** Unless a step says otherwise. */
export const activationsUsual: ActivationSize = 'rms';

/** Scales are a power of how large the activations are; for each group the power that rounds best is searched. */
export interface AwqStep extends StepOnActivations {
  readonly kind: 'awq';
}

/** Scales are `activations^strength / weights^(1 - strength)`. */
export interface SmoothStep extends StepOnActivations {
  readonly kind: 'smooth';
  /** 0 evens out the weights, 1 the activations. */
  readonly strength: number;
}

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
