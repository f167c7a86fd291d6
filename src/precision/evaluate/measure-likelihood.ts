// A cell's perplexity and divergence, measured now or found among the pieces that were kept.

import type { LlamaModel } from '../../llama/model.ts';
import { compareExactly, compareWithKept, keepReference, measureCell } from './likelihood.ts';
import { type CellContext, fitTogether } from './plan.ts';
import type { TopReference } from './reference-top.ts';
import { divergenceSchema, type EvaluationRun, perplexitySchema } from './result-schema.ts';

type Likelihood = Pick<EvaluationRun, 'perplexity' | 'perplexityDetail' | 'divergence'>;

/** What --top-k means where it is not given and two models do not fit. */
const topKUsual = 256;

export async function measureLikelihood(context: CellContext, model: LlamaModel): Promise<Likelihood> {
  const { plan, cell, windows } = context;
  if (windows.length === 0) return {};
  const isCompared = plan.metrics.includes('kl') && cell !== plan.reference;
  const divergence = isCompared ? await measureDivergence(context, model) : undefined;
  // A comparison measures the perplexity on its way.
  const detail =
    divergence === undefined
      ? await measureAlone(context, model)
      : {
          perplexity: divergence.perplexity.value,
          standardError: divergence.perplexity.standardError,
          tokenCount: divergence.tokenCount,
          windowCount: windows.length,
        };
  return {
    perplexity: detail.perplexity,
    perplexityDetail: detail,
    ...(divergence === undefined ? {} : { divergence }),
  };
}

function textKey({ plan, windows, key }: CellContext): unknown {
  return [key, plan.text?.sha256, plan.contextTokens, windows.length];
}

function measureAlone(context: CellContext, model: LlamaModel) {
  const { plan, ports, cell, windows } = context;
  return ports.partial.piece(['perplexity', textKey(context)], perplexitySchema, () => {
    ports.progress.start(`${cell.id}: perplexity`, windows.length);
    const onProgress = (done: number) => ports.progress.advance(done);
    return measureCell({ model, kvTypes: cell.kv, threads: plan.threads, windows, onProgress });
  });
}

function measureDivergence(context: CellContext, model: LlamaModel) {
  const { plan, ports, cell, windows, shelf } = context;
  const { reference } = plan;
  const topK = plan.topK ?? (fitTogether(cell, reference) ? undefined : topKUsual);
  const key = ['divergence', textKey(context), reference.weights.sha256, reference.kv, topK ?? 'exact'];
  return ports.partial.piece(key, divergenceSchema, async () => {
    const onProgress = (done: number) => ports.progress.advance(done);
    const run = { model, kvTypes: cell.kv, threads: plan.threads, windows, onProgress };
    if (topK === undefined) {
      const beside = { model: await shelf.take(reference.weights.path), kvTypes: reference.kv };
      ports.progress.start(`${cell.id}: divergence`, windows.length);
      return compareExactly({ ...run, reference: beside });
    }
    const kept = await keptReference(context, topK);
    ports.progress.start(`${cell.id}: divergence`, windows.length);
    const own = await shelf.take(cell.weights.path);
    return compareWithKept({ ...run, model: own }, kept);
  });
}

/** The kept reference of a plan's windows: made once, for all cells. */
const keptReferences = new WeakMap<object, Promise<TopReference>>();

function keptReference({ plan, ports, windows, shelf }: CellContext, k: number): Promise<TopReference> {
  const known = keptReferences.get(plan);
  if (known !== undefined) return known;
  const { reference } = plan;
  const making = (async () => {
    // Alone in memory: that two models do not fit is why a reference is kept.
    shelf.keepOnly(reference.weights.path);
    const model = await shelf.take(reference.weights.path);
    ports.progress.start(`${reference.id}: reference, ${k} tokens a row`, windows.length);
    const onProgress = (done: number) => ports.progress.advance(done);
    const kept = await keepReference({ model, kvTypes: reference.kv, threads: plan.threads, windows, onProgress }, k);
    shelf.dispose();
    return kept;
  })();
  keptReferences.set(plan, making);
  return making;
}
