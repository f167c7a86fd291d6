// Which cells give what for which price: quality against speed, and against memory.
// Why perplexity is the quality, and not divergence: divergence says nothing about the order of near-lossless formats, and the
// reference has none. Where no text was measured, it is the mean accuracy over the tasks that every cell has.

import type { Evaluation, EvaluationRun } from '../evaluate/result-schema.ts';
import { normal95 } from '../evaluate/statistics.ts';
import { drawLegend } from './chart.ts';
import { card, shortNumber } from './html.ts';
import { drawScatter, type ScatterPoint } from './scatter.ts';

/** A card for each chart that there are numbers for. */
export function drawTradeOffs({ runs }: Evaluation): readonly string[] {
  const quality = chooseQuality(runs);
  if (quality === undefined) return [];
  return [speedPrice(runs), memoryPrice(runs)].flatMap((price) => {
    const points = runs.flatMap((run, cell): ScatterPoint[] => {
      const x = run.weights.emulated === undefined ? price.read(run) : undefined;
      const y = quality.read(run);
      if (x === undefined || y === undefined) return [];
      return [
        { name: run.id, cell, x, y: y.value, label: `${shortNumber(y.value)} at ${shortNumber(x)}`, ...y.interval },
      ];
    });
    if (points.length < 2) return [];
    const chart = drawScatter({
      description: price.title,
      points,
      x: { title: price.axis },
      y: { title: quality.axis },
      better: { x: price.better, y: quality.better },
    });
    return [card(chart + drawLegend(points), price.title)];
  });
}

interface Quality {
  readonly axis: string;
  readonly better: 'more' | 'less';
  readonly read: (
    run: EvaluationRun,
  ) => { readonly value: number; readonly interval: { readonly low?: number; readonly high?: number } } | undefined;
}

/** One measure for every cell. */
function chooseQuality(runs: readonly EvaluationRun[]): Quality | undefined {
  if (runs.some(({ perplexityDetail }) => perplexityDetail !== undefined)) return perplexityQuality;
  const [first] = runs;
  const names = (first?.tasks ?? [])
    .map(({ name }) => name)
    .filter((name) => runs.every(({ tasks }) => tasks.some((task) => task.name === name)));
  if (names.length === 0) return undefined;
  return {
    axis: `mean accuracy over ${names.length === 1 ? names[0] : `${names.length} tasks`} (more is better)`,
    better: 'more',
    read({ tasks }) {
      const own = tasks.filter(({ name }) => names.includes(name)).map(({ accuracy }) => accuracy);
      const value = own.reduce((sum, accuracy) => sum + accuracy.value, 0) / own.length;
      const error = Math.sqrt(own.reduce((sum, { standardError }) => sum + standardError ** 2, 0)) / own.length;
      return { value, interval: { low: value - normal95 * error, high: value + normal95 * error } };
    },
  };
}

const perplexityQuality: Quality = {
  axis: 'perplexity (less is better)',
  better: 'less',
  read({ perplexityDetail, divergence }) {
    if (perplexityDetail === undefined) return undefined;
    const { perplexity } = perplexityDetail;
    // Against the reference the interval of the ratio counts: both were measured on the same tokens.
    if (divergence === undefined) return { value: perplexity, interval: {} };
    const reach = Math.exp(normal95 * divergence.logRatio.standardError);
    return { value: perplexity, interval: { low: perplexity / reach, high: perplexity * reach } };
  },
};

interface Price {
  readonly title: string;
  readonly axis: string;
  readonly better: 'more' | 'less';
  readonly read: (run: EvaluationRun) => number | undefined;
}

function speedPrice(runs: readonly EvaluationRun[]): Price {
  const streamCount = runs.find(({ serving }) => serving !== undefined)?.serving?.streams.at(-1)?.streamCount ?? 0;
  return {
    title: 'Quality against speed',
    axis: `tokens/s with ${streamCount} streams (more is better)`,
    better: 'more',
    read: ({ serving }) => serving?.streams.find((measured) => measured.streamCount === streamCount)?.tokensPerSecond,
  };
}

/** Tokens of cache that count beside the weights. */
const contextTokensShown = 8192;

/** Weights and a cache full of tokens; weights alone where no cell was served. */
function memoryPrice(runs: readonly EvaluationRun[]): Price {
  const isServed = runs.some(({ serving }) => serving !== undefined);
  const bytesOf = ({ weights, serving }: EvaluationRun): number | undefined => {
    if (!isServed) return weights.tensorBytes;
    return serving === undefined ? undefined : weights.tensorBytes + contextTokensShown * serving.kvBytesPerToken;
  };
  const largest = Math.max(...runs.map((run) => bytesOf(run) ?? 0));
  const unit = largest < 2 * 2 ** 30 ? { name: 'MiB', bytes: 2 ** 20 } : { name: 'GiB', bytes: 2 ** 30 };
  const what = isServed ? `weights and ${contextTokensShown} tokens of KV` : 'weights';
  return {
    title: 'Quality against memory',
    axis: `${unit.name} of ${what} (less is better)`,
    better: 'less',
    read(run) {
      const bytes = bytesOf(run);
      return bytes === undefined ? undefined : bytes / unit.bytes;
    },
  };
}
