// A mix as a recipe: the commonest format as default, and a rule for each kind of tensor and format that differs.
// Why globs over whole names: `ffn_down` alone would also mean ffn_down_exps, which has a format of its own.

import type { TensorTypeName } from '../../llama/tensor-types.ts';
import { layerOf } from '../recipes/patterns.ts';
import { activationsUsual, groupKinds, type ScalingStep } from '../recipes/recipe.ts';
import type { PlannedTensor } from '../recipes/resolve.ts';

interface Rule {
  readonly tensors: string;
  readonly layers?: string;
  readonly type: TensorTypeName;
}

export interface RecipeContent {
  readonly description: string;
  /** What moves scales before; their statistics as the recipe is to name them. */
  readonly steps: readonly ScalingStep[];
  /** Those that may be quantized. */
  readonly tensors: readonly Pick<PlannedTensor, 'name' | 'to'>[];
}

/** The JSON text of a recipe that gives the tensors these formats behind these steps and changes no other. */
export function recipeText({ description, steps, tensors }: RecipeContent): string {
  const commonest = commonestType(tensors);
  const kinds = new Map<string, Pick<PlannedTensor, 'name' | 'to'>[]>();
  for (const tensor of tensors) {
    const kind = globOf(tensor.name);
    kinds.set(kind, [...(kinds.get(kind) ?? []), tensor]);
  }
  const rules = [...kinds].flatMap(([kind, own]) => rulesOf(kind, own, commonest));
  const lines = rules.map((rule) => `    ${JSON.stringify(rule)}`).join(',\n');
  const list = rules.length === 0 ? '[]' : `[\n${lines}\n  ]`;
  const before = steps.length === 0 ? '' : `  "steps": ${JSON.stringify(steps.map(stepEntry))},\n`;
  const named = `  "description": ${JSON.stringify(description)},\n`;
  return `{\n${named}${before}  "default": "${commonest}",\n  "rules": ${list}\n}\n`;
}

/** Without what a recipe takes anyway. */
function stepEntry({ groups, activations, statistics, ...step }: ScalingStep): object {
  return {
    ...step,
    ...(groups.length === groupKinds.length ? {} : { groups }),
    ...(activations === activationsUsual ? {} : { activations }),
    ...(statistics === undefined ? {} : { statistics }),
  };
}

/** `blk.3.attn_v.weight` -> `blk.*.attn_v.weight`. */
function globOf(name: string): string {
  return name.replace(/^blk\.\d+\./, 'blk.*.');
}

function commonestType(tensors: readonly Pick<PlannedTensor, 'to'>[]): TensorTypeName {
  const counts = new Map<TensorTypeName, number>();
  for (const { to } of tensors) counts.set(to, (counts.get(to) ?? 0) + 1);
  return [...counts].sort(([, a], [, b]) => b - a)[0]?.[0] ?? 'f16';
}

function rulesOf(
  kind: string,
  tensors: readonly Pick<PlannedTensor, 'name' | 'to'>[],
  commonest: TensorTypeName,
): Rule[] {
  const types = [...new Set(tensors.map(({ to }) => to))].filter((type) => type !== commonest);
  return types.map((type) => {
    const own = tensors.filter(({ to }) => to === type);
    const layers = own.map(({ name }) => layerOf(name)).filter((layer) => layer !== undefined);
    const isWhole = own.length === tensors.length;
    return { tensors: kind, ...(isWhole || layers.length === 0 ? {} : { layers: rangesOf(layers) }), type };
  });
}

/** `0-3,7`. */
function rangesOf(layers: readonly number[]): string {
  const ranges: [number, number][] = [];
  for (const layer of [...layers].sort((a, b) => a - b)) {
    const last = ranges.at(-1);
    if (last !== undefined && last[1] === layer - 1) last[1] = layer;
    else ranges.push([layer, layer]);
  }
  return ranges.map(([from, to]) => (from === to ? `${from}` : `${from}-${to}`)).join(',');
}
