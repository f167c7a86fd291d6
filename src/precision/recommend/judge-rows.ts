// The model as it is, the mix that was found, and its rivals, on the text to judge by.

import { bitsPerWeight, planTensor, type WeightPlan } from '../recipes/resolve.ts';
import type { Bench } from './bench.ts';
import type { PreparedSearch } from './prepare-search.ts';
import type { RecommendWish } from './recommend-wish.ts';
import type { RecommendationRow } from './recommendation.ts';
import { chooseRivals } from './rivals.ts';
import { typesOf } from './search-mix.ts';
import type { FoundRecipe } from './search-steps.ts';
import type { TensorTypes } from './tensor-groups.ts';

export interface Judging {
  readonly search: PreparedSearch;
  readonly found: FoundRecipe;
  readonly bench: Bench;
}

export interface Judged {
  readonly rows: readonly RecommendationRow[];
  /** Rivals that could not be made; each a sentence. */
  readonly notes: readonly string[];
}

export async function judgeRows(wish: RecommendWish, { search, found, bench }: Judging): Promise<Judged> {
  const hasSteps = search.candidates.length > 0 || wish.importancePath !== undefined;
  const { rivals, notes } = await chooseRivals({
    ...wish,
    fileBytesMax: search.bytesMax + search.overheadBytes,
    statistics: hasSteps ? await bench.statistics() : undefined,
  });
  const { steps, mix, groups } = found;
  const types = typesOf(groups, mix.picks);
  const own = { kind: 'recommended', label: wish.name, fileBytes: mixFileBytes(found), types, steps } as const;
  const rows: RecommendationRow[] = [];
  for (const { kind, label, fileBytes, types: formats, steps: before } of [own, ...rivals]) {
    const moved = before.length === 0 ? undefined : { steps: before, types: formats };
    const { divergence, referencePerplexity, perplexity, sameTop } = await bench.judge(label, {
      types: formats,
      moved,
    });
    if (rows.length === 0)
      rows.push({
        kind: 'reference',
        label: 'as it is',
        fileBytes: search.file.fileBytes,
        bitsPerWeight: bitsOf(search.asItIs),
        perplexity: referencePerplexity,
      });
    const { value, standardError } = divergence;
    const bits = bitsOfTypes(search, formats);
    rows.push({
      kind,
      label,
      fileBytes,
      bitsPerWeight: bits,
      divergence: { value, standardError },
      perplexity,
      sameTop,
    });
  }
  return { rows, notes };
}

export function bitsOf({ bytes, valueCount }: WeightPlan): number {
  return bitsPerWeight(bytes, valueCount);
}

/** Bits a weight of the model in these formats. */
export function bitsOfTypes({ file, asItIs }: PreparedSearch, types: TensorTypes): number {
  const bytes = file.tensors.reduce((sum, tensor) => sum + plannedAs(tensor, types).bytes, 0);
  return bitsPerWeight(bytes, asItIs.valueCount);
}

/** The written file's size. */
export function mixFileBytes({ mix, overheadBytes }: FoundRecipe): number {
  return overheadBytes + mix.bytes;
}

/** What becomes of a tensor; what `types` does not name stays as it is. */
export function plannedAs(tensor: Parameters<typeof planTensor>[0], types: TensorTypes) {
  return planTensor(tensor, types.get(tensor.name) ?? tensor.type);
}
