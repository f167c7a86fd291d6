// Perplexity of a cell, and its divergence from the reference.
// Which way: side by side, exact, when both models fit the memory; else against the reference's k most likely tokens.

import type { KvTypes } from '../../kv-types.ts';
import type { LlamaModel } from '../../llama/model.ts';
import type { RowScorer } from '../../llama/scoring/row-scorer.ts';
import { createDivergenceColumns, summarizeDivergence } from './divergence.ts';
import { type Lane, openLane, openRowScorer } from './lane.ts';
import { measurePerplexity, type Perplexity, scoredTotal } from './perplexity.ts';
import { compareWithTop, createTopReference, type TopReference, topReferenceBytes } from './reference-top.ts';
import type { Divergence } from './result-schema.ts';
import { comparePairs, scoreWindows } from './score-windows.ts';
import type { Window } from './windows.ts';

export interface LikelihoodRun {
  readonly model: LlamaModel;
  readonly kvTypes: KvTypes;
  readonly threads: number;
  readonly windows: readonly Window[];
  readonly onProgress: (windowCount: number) => void;
}

/** Tokens of all windows of a step together; see lane.ts. */
const groupTokens = 2048;

export function measureCell(run: LikelihoodRun): Promise<Perplexity> {
  return withLanes(run, undefined, (lane, scorer) => measurePerplexity({ ...run, lane, scorer }));
}

export interface ComparisonRun extends LikelihoodRun {
  readonly reference: { readonly model: LlamaModel; readonly kvTypes: KvTypes };
}

/** Both models compute every window, and rows are compared whole. */
export function compareExactly(run: ComparisonRun): Promise<Divergence> {
  return withLanes(run, run.reference, async (lane, scorer, reference) => {
    const { columns, add } = createDivergenceColumns(scoredTotal(run.windows));
    await comparePairs({ ...run, lane, reference, scorer }, add);
    return { method: { kind: 'exact' }, ...summarizeDivergence(columns) };
  });
}

/** Most bytes of a kept reference; more is refused before it is measured. */
const referenceBytesMax = 4 * 2 ** 30;

/** Computes the reference once and keeps its `k` most likely tokens of each row. */
export function keepReference(run: LikelihoodRun, k: number): Promise<TopReference> {
  const rowCount = scoredTotal(run.windows);
  const bytes = topReferenceBytes(rowCount, k);
  if (bytes > referenceBytesMax)
    throw new Error(
      `a kept reference must take at most ${referenceBytesMax} bytes. Given: ${bytes}, for ${rowCount} rows of ${k}; take fewer windows or a smaller --top-k`,
    );
  const { reference, add } = createTopReference(rowCount, Math.min(k, run.model.vocabularySize));
  return withLanes(run, undefined, async (lane, scorer) => {
    await scoreWindows({ ...run, lane, scorer }, ({ batchIndex }, score) =>
      add(lane.kernel.logitsOf(batchIndex), score),
    );
    return reference;
  });
}

/** Compares a cell with a kept reference of the same windows. */
export function compareWithKept(run: LikelihoodRun, reference: TopReference): Promise<Divergence> {
  return withLanes(run, undefined, async (lane, scorer) => {
    const { columns, add } = createDivergenceColumns(scoredTotal(run.windows));
    let row = 0;
    let restMass = 0;
    await scoreWindows({ ...run, lane, scorer }, (place, score) => {
      const compared = compareWithTop({ reference, row }, lane.kernel.logitsOf(place.batchIndex), score);
      restMass += compared.restMass;
      row += 1;
      add(place, compared);
    });
    return {
      method: { kind: 'top-k', k: reference.k, restMass: restMass / Math.max(1, row) },
      ...summarizeDivergence(columns),
    };
  });
}

type LaneSource = Pick<LikelihoodRun, 'model' | 'kvTypes'>;
type Work<Result> = (lane: Lane, scorer: RowScorer, reference: Lane) => Promise<Result>;

/** Opens lanes of one size and the scoring threads, and closes them whatever happens; alone, a lane is its own reference. */
async function withLanes<Result>(
  { windows, threads, ...own }: LikelihoodRun,
  reference: LaneSource | undefined,
  work: Work<Result>,
): Promise<Result> {
  const sequenceTokens = Math.max(...windows.map(({ tokens }) => tokens.length));
  const sequenceCount = Math.max(1, Math.min(windows.length, Math.floor(groupTokens / sequenceTokens)));
  const sizes = { threads, sequenceTokens, sequenceCount, layout: 'per-sequence' } as const;
  const lane = await openLane({ model: own.model, kvTypes: own.kvTypes, ...sizes });
  let beside: Lane | undefined;
  let scorer: RowScorer | undefined;
  try {
    beside = reference === undefined ? undefined : await openLane({ ...reference, ...sizes });
    scorer = await openRowScorer(lane, threads);
    return await work(lane, scorer, beside ?? lane);
  } finally {
    await scorer?.dispose();
    beside?.dispose();
    lane.dispose();
  }
}
