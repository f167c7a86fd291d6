// What a found mix has to beat: the shipped recipes and llama.cpp's own mixes that take no more than it may.

import { findRecipe, shippedRecipeNames } from '../recipes/find-recipe.ts';
import { formatNames } from '../recipes/formats.ts';
import type { Recipe } from '../recipes/recipe.ts';
import type { ReadyStep } from '../scaling/plan-scaling.ts';
import { planWith, type SearchWish } from './prepare-search.ts';
import type { TensorTypes } from './tensor-groups.ts';

export interface Rival {
  readonly kind: 'rival';
  readonly label: string;
  readonly fileBytes: number;
  readonly types: TensorTypes;
  /** What moves scales before. */
  readonly steps: readonly ReadyStep[];
}

/** Without names: so many of the largest within the budget. */
const rivalsUsual = 3;

export interface RivalsWish extends SearchWish {
  readonly compare: readonly string[] | undefined;
  readonly fileBytesMax: number;
  /** For steps that name none; undefined leaves out recipes that have such steps. */
  readonly statistics: string | undefined;
}

/** Throws when one of the names means nothing, or nothing in this model: before hours are spent on what it is compared with. */
export async function checkRivals(wish: SearchWish & Pick<RivalsWish, 'compare'>): Promise<void> {
  for (const name of wish.compare ?? []) await planWith(wish, await findRecipe(name));
}

/** `notes` says which of the names could not be made, and why. */
export async function chooseRivals(
  wish: RivalsWish,
): Promise<{ readonly rivals: readonly Rival[]; readonly notes: readonly string[] }> {
  const notes: string[] = [];
  const rivals: Rival[] = [];
  for (const name of wish.compare ?? [...shippedRecipeNames(), ...formatNames]) {
    const recipe = withStatistics(await findRecipe(name), wish.statistics);
    const { fileBytes, weights, faults, label, scaling } = await planWith(wish, recipe);
    if (faults.length > 0) {
      if (wish.compare !== undefined) notes.push(`${name} is left out: ${faults.join('; ')}`);
      continue;
    }
    const types = new Map(
      weights.tensors.filter(({ from, to }) => from !== to).map(({ name: tensor, to }) => [tensor, to]),
    );
    rivals.push({ kind: 'rival', label, fileBytes, types, steps: scaling?.steps ?? [] });
  }
  if (wish.compare !== undefined) return { rivals, notes };
  const fitting = rivals
    .filter(({ fileBytes }) => fileBytes <= wish.fileBytesMax)
    .sort((a, b) => b.fileBytes - a.fileBytes);
  return { rivals: distinct(fitting).slice(0, rivalsUsual), notes };
}

function withStatistics({ name, steps }: Recipe, statistics: string | undefined): Recipe {
  return {
    name,
    steps: steps.map((step) =>
      step.kind === 'quantize' ? step : { ...step, statistics: step.statistics ?? statistics },
    ),
  };
}

/** Two names for the same formats behind the same steps are one rival. */
function distinct(rivals: readonly Rival[]): Rival[] {
  const seen = new Map<string, Rival>();
  for (const rival of rivals) {
    const key = JSON.stringify([[...rival.types], rival.steps]);
    if (!seen.has(key)) seen.set(key, rival);
  }
  return [...seen.values()];
}
