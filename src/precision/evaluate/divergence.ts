// How far a precision is from its reference: divergence, agreement, probability shifts and perplexity, each with its error.
// Why the ratio of perplexities has a smaller error than either perplexity: both are measured on the same tokens, and what
// makes a text hard for one makes it hard for the other. The covariance of the two takes that out.
// Source: kl_divergence() in tools/perplexity/perplexity.cpp of llama.cpp v0.5.0.

import { summarizeLosses } from './perplexity.ts';
import type { PairScore, RowPlace } from './score-windows.ts';
import {
  type Estimate,
  meanCovariance,
  meanOf,
  percentile,
  percentileError,
  proportionOf,
  rootMeanSquare,
} from './statistics.ts';

/** The columns that are kept of a comparison, a number for each scored token. */
export interface DivergenceColumns {
  readonly loss: Float64Array;
  readonly referenceLoss: Float64Array;
  readonly divergence: Float64Array;
  /** Probability of the token that follows, minus the reference's. */
  readonly probabilityShift: Float64Array;
  readonly sameTop: Uint8Array;
  /** Row within its window. */
  readonly position: Uint32Array;
}

export interface DivergenceSummary {
  readonly tokenCount: number;
  readonly referencePerplexity: Estimate;
  readonly perplexity: Estimate;
  /** ln(perplexity / reference perplexity). */
  readonly logRatio: Estimate;
  /** Correlation of the two log-likelihoods over the tokens. */
  readonly correlation: number;
  readonly divergence: Estimate & {
    readonly median: number;
    readonly p90: number;
    readonly p99: number;
    readonly p999: number;
    readonly max: number;
    /** Standard errors of the percentiles. */
    readonly errors: { readonly median: number; readonly p90: number; readonly p99: number; readonly p999: number };
  };
  /** Share of tokens whose first choice is the reference's. */
  readonly sameTop: Estimate;
  readonly shift: {
    readonly mean: Estimate;
    readonly rootMeanSquare: Estimate;
    readonly percentiles: Readonly<Record<ShiftPercentile, number>>;
  };
  /** Mean divergence by position in the window. */
  readonly byPosition: PositionBin[];
}

export interface PositionBin {
  /** Positions [from, to). */
  readonly from: number;
  readonly to: number;
  readonly divergence: Estimate;
}

const shiftFractions = {
  min: 0,
  p01: 0.001,
  p1: 0.01,
  p5: 0.05,
  p50: 0.5,
  p95: 0.95,
  p99: 0.99,
  p999: 0.999,
  max: 1,
} as const;
export type ShiftPercentile = keyof typeof shiftFractions;

const positionBins = 16;

/** Collects a comparison's rows; `columns` is complete when `tokenCount` rows were added. */
export function createDivergenceColumns(tokenCount: number): {
  readonly columns: DivergenceColumns;
  readonly add: (place: Pick<RowPlace, 'position'>, score: PairScore) => void;
} {
  const columns: DivergenceColumns = {
    loss: new Float64Array(tokenCount),
    referenceLoss: new Float64Array(tokenCount),
    divergence: new Float64Array(tokenCount),
    probabilityShift: new Float64Array(tokenCount),
    sameTop: new Uint8Array(tokenCount),
    position: new Uint32Array(tokenCount),
  };
  let count = 0;
  return {
    columns,
    add({ position }, { logProbability, topToken, reference, divergence }) {
      columns.loss[count] = -logProbability;
      columns.referenceLoss[count] = -reference.logProbability;
      columns.divergence[count] = divergence;
      columns.probabilityShift[count] = Math.exp(logProbability) - Math.exp(reference.logProbability);
      columns.sameTop[count] = topToken === reference.topToken ? 1 : 0;
      columns.position[count] = position;
      count += 1;
    },
  };
}

export function summarizeDivergence(columns: DivergenceColumns): DivergenceSummary {
  const { loss, referenceLoss, divergence, probabilityShift, sameTop } = columns;
  const tokenCount = loss.length;
  const broken = divergence.findIndex((value) => !Number.isFinite(value));
  if (broken >= 0)
    throw new Error(`the divergence is not finite at scored token ${broken} of ${tokenCount}: logits are broken there`);
  const own = meanOf(loss);
  const base = meanOf(referenceLoss);
  const covariance = meanCovariance(loss, referenceLoss);
  const ascending = divergence.slice().sort();
  const shifts = probabilityShift.slice().sort();
  const agreement = proportionOf(
    sameTop.reduce((sum, same) => sum + same, 0),
    tokenCount,
  );
  const perplexityOf = (losses: Float64Array) => {
    const { perplexity, standardError } = summarizeLosses(losses, 0);
    return { value: perplexity, standardError };
  };
  return {
    tokenCount,
    perplexity: perplexityOf(loss),
    referencePerplexity: perplexityOf(referenceLoss),
    logRatio: {
      value: own.value - base.value,
      standardError: Math.sqrt(Math.max(0, own.standardError ** 2 + base.standardError ** 2 - 2 * covariance)),
    },
    correlation: covariance === 0 ? 0 : covariance / (own.standardError * base.standardError),
    divergence: {
      ...meanOf(divergence),
      median: percentile(ascending, 0.5),
      p90: percentile(ascending, 0.9),
      p99: percentile(ascending, 0.99),
      p999: percentile(ascending, 0.999),
      max: percentile(ascending, 1),
      errors: {
        median: percentileError(ascending, 0.5),
        p90: percentileError(ascending, 0.9),
        p99: percentileError(ascending, 0.99),
        p999: percentileError(ascending, 0.999),
      },
    },
    sameTop: { value: agreement.value, standardError: agreement.standardError },
    shift: {
      mean: meanOf(probabilityShift),
      rootMeanSquare: rootMeanSquare(probabilityShift),
      percentiles: readPercentiles(shifts),
    },
    byPosition: binByPosition(columns),
  };
}

function readPercentiles(ascending: Float64Array): Record<ShiftPercentile, number> {
  const at = (name: ShiftPercentile) => percentile(ascending, shiftFractions[name]);
  return {
    min: at('min'),
    p01: at('p01'),
    p1: at('p1'),
    p5: at('p5'),
    p50: at('p50'),
    p95: at('p95'),
    p99: at('p99'),
    p999: at('p999'),
    max: at('max'),
  };
}

/** Equal shares of the scored positions; fewer bins where there are fewer positions. */
function binByPosition({ divergence, position }: DivergenceColumns): PositionBin[] {
  const first = position.reduce((least, at) => Math.min(least, at), Number.POSITIVE_INFINITY);
  const span = position.reduce((most, at) => Math.max(most, at), 0) + 1 - first;
  if (!(span >= 1)) return [];
  const count = Math.min(positionBins, span);
  const bins: number[][] = Array.from({ length: count }, () => []);
  position.forEach((at, row) => {
    bins[Math.floor(((at - first) * count) / span)]?.push(divergence[row] as number);
  });
  const edge = (bin: number) => first + Math.ceil((bin * span) / count);
  return bins.map((values, bin) => ({ from: edge(bin), to: edge(bin + 1), divergence: meanOf(values) }));
}
