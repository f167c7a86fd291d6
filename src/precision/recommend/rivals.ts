// What a found mix has to beat: the shipped recipes and llama.cpp's own mixes that take no more than it may.

import { findRecipe, shippedRecipeNames } from '../recipes/find-recipe.ts';
import { formatNames } from '../recipes/formats.ts';
import { planWith, type SearchWish } from './prepare-search.ts';
import type { TensorTypes } from './tensor-groups.ts';

export interface Rival {
  readonly kind: 'rival';
  readonly label: string;
  readonly fileBytes: number;
  readonly types: TensorTypes;
}

/** Without names: so many of the largest within the budget. */
const rivalsUsual = 3;

/** `notes` says which of the names could not be made, and why. */
export async function chooseRivals(
  wish: SearchWish & { readonly compare: readonly string[] | undefined },
  fileBytesMax: number,
): Promise<{ readonly rivals: readonly Rival[]; readonly notes: readonly string[] }> {
  const notes: string[] = [];
  const rivals: Rival[] = [];
  for (const name of wish.compare ?? [...shippedRecipeNames(), ...formatNames]) {
    const recipe = await findRecipe(name);
    const { fileBytes, weights, faults, label } = await planWith(wish, recipe);
    // A mix says formats and nothing else.
    const obstacles = recipe.steps.length > 1 ? [...faults, 'it changes weights before it quantizes them'] : faults;
    if (obstacles.length > 0) {
      if (wish.compare !== undefined) notes.push(`${name} is left out: ${obstacles.join('; ')}`);
      continue;
    }
    const types = new Map(
      weights.tensors.filter(({ from, to }) => from !== to).map(({ name: tensor, to }) => [tensor, to]),
    );
    rivals.push({ kind: 'rival', label, fileBytes, types });
  }
  if (wish.compare !== undefined) return { rivals, notes };
  const fitting = rivals.filter(({ fileBytes }) => fileBytes <= fileBytesMax).sort((a, b) => b.fileBytes - a.fileBytes);
  return { rivals: distinct(fitting).slice(0, rivalsUsual), notes };
}

/** Two names for the same formats are one rival. */
function distinct(rivals: readonly Rival[]): Rival[] {
  const seen = new Map<string, Rival>();
  for (const rival of rivals) {
    const key = JSON.stringify([...rival.types]);
    if (!seen.has(key)) seen.set(key, rival);
  }
  return [...seen.values()];
}
