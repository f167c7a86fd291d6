// From what `--to` and `--weights` say to a recipe: a format's name, a shipped recipe's name, or a path of a JSON file.

import { existsSync, readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { nearestName } from '../../nearest-name.ts';
import { formatNames, formatRecipe } from './formats.ts';
import { parseRecipe } from './parse-recipe.ts';
import type { Recipe, RecipeStep } from './recipe.ts';

/** Reads the recipe; throws with a message for the operator, which names every fault of a file. */
export async function findRecipe(text: string): Promise<Recipe> {
  const name = text.trim();
  const format = formatRecipe(name.toLowerCase());
  if (format !== undefined) return format;
  if (/\.json$/i.test(name)) return readRecipe(name);
  const shipped = shippedRecipeNames().find((candidate) => candidate === name.toLowerCase());
  if (shipped !== undefined) return readRecipe(join(shippedFolder(), `${shipped}.json`));
  const known = [...formatNames, ...shippedRecipeNames()];
  const nearest = nearestName(name, known);
  throw new Error(
    `the weights must be one of ${formatNames.join(', ')}, a recipe (${shippedRecipeNames().join(', ')}), ` +
      `or the path of a recipe that ends in .json. Given: ${name}${nearest === undefined ? '' : `; did you mean ${nearest}?`}`,
  );
}

/** Whether a text names a format, a shipped recipe, or a path that may be a recipe's. */
export function namesRecipe(text: string): boolean {
  const name = text.trim().toLowerCase();
  return formatRecipe(name) !== undefined || shippedRecipeNames().includes(name) || name.endsWith('.json');
}

/** Recipes that come with Octet, by the names of their files. */
export function shippedRecipeNames(): readonly string[] {
  return readdirSync(shippedFolder())
    .filter((file) => file.endsWith('.json'))
    .map((file) => file.slice(0, -'.json'.length))
    .sort();
}

async function readRecipe(path: string): Promise<Recipe> {
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    throw new Error(`the recipe ${path} cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  });
  const parsed = parseRecipe(text, basename(path).replace(/\.json$/i, ''));
  if (parsed.kind === 'recipe')
    return { ...parsed.recipe, steps: parsed.recipe.steps.map(withPathsFrom(dirname(path))) };
  throw new Error(`the recipe ${path} has faults:\n${parsed.faults.map((fault) => `  ${fault}`).join('\n')}`);
}

/** A recipe names files as they lie from it. */
function withPathsFrom(folder: string): (step: RecipeStep) => RecipeStep {
  return (step) =>
    step.kind === 'quantize' || step.statistics === undefined
      ? step
      : { ...step, statistics: resolve(folder, step.statistics) };
}

/** config/recipes of this package: the same code runs from src/ and from dist/src/. */
function shippedFolder(): string {
  let folder = import.meta.dirname;
  while (!existsSync(join(folder, 'config', 'recipes'))) {
    const parent = dirname(folder);
    if (parent === folder) throw new Error(`no config/recipes above ${import.meta.dirname}`);
    folder = parent;
  }
  return join(folder, 'config', 'recipes');
}
