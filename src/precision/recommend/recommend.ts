// `octet recommend` as a whole: prepare, measure, choose, refine, judge.
// Why the judgement is on a text that the search has not seen: see text-windows.ts.

import { mkdirSync } from 'node:fs';
import { basename } from 'node:path';
import { isQuantizable } from '../recipes/eligible.ts';
import type { ScalingStep } from '../recipes/recipe.ts';
import { openBench } from './bench.ts';
import { judgeRows, plannedAs } from './judge-rows.ts';
import { prepareSearch } from './prepare-search.ts';
import { recipeText } from './recipe-text.ts';
import type { RecommendPorts, RecommendWish } from './recommend-wish.ts';
import type { Recommendation } from './recommendation.ts';
import { reportOf } from './report-of.ts';
import { checkRivals } from './rivals.ts';
import { typesOf } from './search-mix.ts';
import { type FoundRecipe, searchWithSteps } from './search-steps.ts';
import { readTexts } from './text-windows.ts';

/** The importance matrix that a recipe names. */
export interface NamedStatistics {
  /** Where it is, to be copied beside the recipe. */
  readonly path: string;
  /** The file's name in the recipe. */
  readonly name: string;
}

export interface RecommendationMade {
  readonly report: Recommendation;
  /** The JSON text of the recipe. */
  readonly recipe: string;
  /** Undefined where the recipe has no steps, or takes the matrix that quantizing is given. */
  readonly statistics: NamedStatistics | undefined;
}

export async function recommend(wish: RecommendWish, ports: RecommendPorts): Promise<RecommendationMade> {
  const startedMs = performance.now();
  const search = await prepareSearch(wish);
  await checkRivals(wish);
  const texts = await readTexts(wish, {
    libraries: wish.libraries,
    path: wish.source,
    load: 'vocabulary',
    gpuLayers: 0,
  });
  mkdirSync(wish.cacheFolder, { recursive: true });
  const bench = await openBench(wish, { search, texts, ports });
  try {
    const found = await searchWithSteps({ search, roundsMax: wish.roundsMax, bench });
    const judged = await judgeRows(wish, { search, found, bench });
    ports.onReused(bench.reusedCount());
    const seconds = (performance.now() - startedMs) / 1000;
    const report = reportOf(wish, { search, texts, found, judged, sha256: bench.sha256, seconds });
    const types = typesOf(found.groups, found.mix.picks);
    const statistics = namedStatistics(wish, found);
    const recipe = recipeText({
      description: describe(wish, report),
      steps: found.steps.map((step): ScalingStep => ({ ...step, statistics: statistics?.name })),
      tensors: search.file.tensors.filter(isQuantizable).map((tensor) => plannedAs(tensor, types)),
    });
    return { report, recipe, statistics };
  } finally {
    await bench.dispose();
  }
}

function namedStatistics({ importancePath, name }: RecommendWish, { steps }: FoundRecipe): NamedStatistics | undefined {
  const path = steps[0]?.statistics;
  return path === undefined || importancePath !== undefined ? undefined : { path, name: `${name}.imatrix.gguf` };
}

function describe(wish: RecommendWish, { rows, scaling }: Recommendation): string {
  const row = rows.find(({ kind }) => kind === 'recommended');
  const divergence = row?.divergence?.value.toPrecision(3) ?? 'unknown';
  const bits = row?.bitsPerWeight.toFixed(2) ?? 'unknown';
  const behind = scaling.picked === 'none' ? '' : ` behind ${scaling.picked}`;
  return (
    `Chosen by octet recommend for ${basename(wish.source)} within ${wish.budgetGiven}: ${bits} bits per weight${behind}, ` +
    `KL divergence ${divergence} nats a token.`
  );
}
