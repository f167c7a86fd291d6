// From a table of tensors and a recipe to the number format of each tensor, and what that takes.
// Why pure: `--dry-run`, the disk check, memory plans and searches over recipes ask the same question before anything runs.

import { type TensorTypeName, tensorBytes, tensorTypes } from '../../llama/tensor-types.ts';
import type { GgufTensor } from '../gguf/parse.ts';
import { isQuantizable } from './eligible.ts';
import { fittingType } from './fallback.ts';
import { layersIn } from './layers.ts';
import { layerOf, matcherOf, nearPatterns } from './patterns.ts';
import type { QuantizeStep, RecipeRule } from './recipe.ts';

export interface PlannedTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly from: TensorTypeName;
  readonly fromBytes: number;
  readonly to: TensorTypeName;
  readonly bytes: number;
  /** The format it should have had but for the length of its rows. */
  readonly insteadOf?: TensorTypeName;
}

export interface WeightPlan {
  readonly tensors: readonly PlannedTensor[];
  /** Bytes of all tensors, before and after. */
  readonly fromBytes: number;
  readonly bytes: number;
  /** Weights of all tensors. */
  readonly valueCount: number;
}

export type Resolved =
  | { readonly kind: 'plan'; readonly plan: WeightPlan }
  /** Each a sentence: rules that mean nothing in this model. */
  | { readonly kind: 'faults'; readonly faults: readonly string[] };

/** `mixTypes`: llama.cpp's choice for each tensor, whether or not its rows fit, where the step's base is a mix. */
export function resolveStep(
  tensors: readonly GgufTensor[],
  step: QuantizeStep,
  mixTypes?: ReadonlyMap<string, TensorTypeName>,
): Resolved {
  const names = tensors.map(({ name }) => name);
  const faults = step.rules.flatMap((rule, index) => ruleFaults(rule, `rules.${index}`, tensors));
  if (faults.length > 0) return { kind: 'faults', faults };
  const rules = step.rules.map((rule) => compile(rule, names));
  const planned = tensors.map((tensor) => {
    if (!isQuantizable(tensor)) return planTensor(tensor, tensor.type);
    const ruled = rules.find(({ matches }) => matches(tensor.name))?.type;
    return planTensor(
      tensor,
      ruled ?? (step.base.kind === 'type' ? step.base.type : (mixTypes?.get(tensor.name) ?? tensor.type)),
    );
  });
  return { kind: 'plan', plan: summed(planned) };
}

/** What becomes of one tensor that should have a format. */
export function planTensor(tensor: GgufTensor, wanted: TensorTypeName): PlannedTensor {
  const { name, shape, type: from, bytes: fromBytes } = tensor;
  const to = wanted === from ? from : fittingType(wanted, shape[0] ?? 1);
  const insteadOf = to === wanted ? {} : { insteadOf: wanted };
  return { name, shape, from, fromBytes, to, bytes: tensorBytes(to, shape), ...insteadOf };
}

/** A plan with its sums. */
export function summed(tensors: readonly PlannedTensor[]): WeightPlan {
  const sum = (of: (tensor: PlannedTensor) => number) => tensors.reduce((total, tensor) => total + of(tensor), 0);
  return {
    tensors,
    fromBytes: sum(({ fromBytes }) => fromBytes),
    bytes: sum(({ bytes }) => bytes),
    valueCount: sum(({ shape }) => shape.reduce((product, size) => product * size, 1)),
  };
}

/** Bits that a weight takes on average. */
export function bitsPerWeight(bytes: number, valueCount: number): number {
  return valueCount === 0 ? 0 : (bytes * 8) / valueCount;
}

/** Whether the plan leaves every tensor as it is. */
export function changesNothing({ tensors }: WeightPlan): boolean {
  return tensors.every(({ from, to }) => from === to);
}

/** Tensors that are quantized already and would be quantized once more. */
export function requantized({ tensors }: WeightPlan): PlannedTensor[] {
  return tensors.filter(({ from, to }) => from !== to && tensorTypes[from].kind === 'quantized');
}

interface CompiledRule {
  readonly matches: (name: string) => boolean;
  readonly type: TensorTypeName;
}

function compile({ tensors, layers, type }: RecipeRule, names: readonly string[]): CompiledRule {
  const present = new Set(names);
  const matchers = tensors.map((pattern) => matcherOf(pattern, present));
  const numbers = new Set(layers.flatMap((range) => [...layersIn(range, layerCountOf(names))]));
  return {
    type,
    matches(name) {
      const layer = layerOf(name);
      const inLayers = layers.length === 0 || (layer !== undefined && numbers.has(layer));
      return inLayers && (matchers.length === 0 || matchers.some((matches) => matches(name)));
    },
  };
}

/** How many layers the names tell of. */
export function layerCountOf(names: readonly string[]): number {
  return names.reduce((count, name) => Math.max(count, (layerOf(name) ?? -1) + 1), 0);
}

function ruleFaults(rule: RecipeRule, path: string, tensors: readonly GgufTensor[]): string[] {
  const names = tensors.map(({ name }) => name);
  const layerCount = layerCountOf(names);
  const faults = [
    ...rule.tensors.flatMap((pattern) => patternFaults(pattern, path, tensors)),
    ...rule.layers
      .filter((range) => layersIn(range, layerCount).size === 0)
      .map((range) => `${path}.layers must be layers of this model, which has ${layerCount}. Given: "${range}"`),
  ];
  if (faults.length > 0) return faults;
  const { matches } = compile(rule, names);
  if (tensors.some((tensor) => isQuantizable(tensor) && matches(tensor.name))) return [];
  return [`${path} matches no tensor of this model: none of its tensors is in one of its layers`];
}

function patternFaults(pattern: string, path: string, tensors: readonly GgufTensor[]): string[] {
  const names = tensors.map(({ name }) => name);
  const matches = matcherOf(pattern, new Set(names));
  const matched = tensors.filter(({ name }) => matches(name));
  if (matched.some(isQuantizable)) return [];
  const given = `${path}.tensors: "${pattern}"`;
  if (matched.length > 0)
    return [
      `${given} means only tensors that are never quantized: ${matched
        .slice(0, 3)
        .map(({ name }) => name)
        .join(', ')}`,
    ];
  const near = nearPatterns(
    pattern,
    tensors.filter(isQuantizable).map(({ name }) => name),
  );
  return [`${given} matches no tensor of this model${near.length === 0 ? '' : `. Near names: ${near.join(', ')}`}`];
}
