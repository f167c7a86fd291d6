// Measures mixes: how far the model in given formats is from the model as it is, on the calibration windows.
// Why every number is kept under the mix's own key: sensitivities, refinements and other budgets ask for the same mixes
// again, and an interrupted search goes on where it was.

import { z } from 'zod';
import type { Libraries } from '../../llama/libraries.ts';
import { type LlamaModel, loadModel } from '../../llama/model.ts';
import { compareWithKept, keepReference, type LikelihoodRun } from '../evaluate/likelihood.ts';
import type { PartialResults } from '../evaluate/partial-results.ts';
import type { TopReference } from '../evaluate/reference-top.ts';
import type { Window } from '../evaluate/windows.ts';
import type { MovedScales } from './moved-scales.ts';
import type { PartsShelf } from './parts-shelf.ts';
import { mixKey, type TensorTypes } from './tensor-groups.ts';

export const mixLossSchema = z.object({
  /** Mean divergence from the model as it is, in nats a token. */
  divergence: z.number(),
  standardError: z.number(),
  perplexity: z.number(),
});
export type MixLoss = Readonly<z.infer<typeof mixLossSchema>>;

export interface MixMeter {
  /** Measured now, or found; with scales moved first, where that is given. */
  measure(types: TensorTypes, moved?: MovedScales): Promise<MixLoss>;
}

export interface MixMeterOptions {
  readonly libraries: Libraries;
  readonly shelf: PartsShelf;
  readonly windows: readonly Window[];
  readonly gpuLayers: number;
  readonly threads: number;
  readonly partial: PartialResults;
  /** Everything besides the mix that its numbers depend on. */
  readonly key: unknown;
}

/** The rest, one bucket, weighs little: a token beyond these is as good as impossible. */
const topK = 512;

export function createMixMeter(options: MixMeterOptions): MixMeter {
  let reference: Promise<TopReference> | undefined;
  const kept = (): Promise<TopReference> => {
    reference ??= withMix(options, { types: new Map() }, (run) => keepReference(run, topK));
    return reference;
  };
  return {
    async measure(types, moved) {
      const key = [options.key, topK, mixKey(types), ...(await options.shelf.keyOf(moved))];
      return options.partial.piece(key, mixLossSchema, async () => {
        const base = await kept();
        const found = await withMix(options, { types, moved }, (run) => compareWithKept(run, base)).catch(ifBroken);
        if (found === undefined) return { divergence: brokenLoss, standardError: 0, perplexity: Math.exp(brokenLoss) };
        const { value: divergence, standardError } = found.divergence;
        return { divergence, standardError, perplexity: found.perplexity.value };
      });
    },
  };
}

/** What a mix counts that makes the model's output infinite or NaN: more than any that speaks at all, and still a number. */
const brokenLoss = 100;

function ifBroken(error: unknown): undefined {
  if (error instanceof Error && error.message.includes('not finite')) return undefined;
  throw error;
}

/** Formats, and what moves scales before them. */
export interface Mix {
  readonly types: TensorTypes;
  readonly moved?: MovedScales | undefined;
}

async function withMix<Result>(
  options: MixMeterOptions,
  mix: Mix,
  work: (run: LikelihoodRun) => Promise<Result>,
): Promise<Result> {
  const { threads, windows } = options;
  const model = await loadMix(options, mix);
  try {
    return await work({ model, kvTypes: { k: 'f16', v: 'f16' }, threads, windows, onProgress: () => undefined });
  } finally {
    model.dispose();
  }
}

/** Loads the model as this mix. */
export async function loadMix(
  { libraries, shelf, gpuLayers }: Pick<MixMeterOptions, 'libraries' | 'shelf' | 'gpuLayers'>,
  { types, moved }: Mix,
): Promise<LlamaModel> {
  const parts = await shelf.partsOf(moved);
  const paths = await parts.pathsOf(types);
  return loadModel({ libraries, path: paths[0] ?? '', parts: paths, load: 'weights', gpuLayers });
}
