// Draws by trying: tokens are drawn from the whole vocabulary, and the first that top-p and min-p keep is the draw. What comes
// out is distributed as a draw from what they keep, and nothing has to be sorted or searched to find that set.
// Why this way only where graphs draw: a device computes whole rows for next to nothing, and then three tries cost less than
// one search; on the host it is the other way round. If all tries are dropped, the host draws from what is kept.
// The numbers come from the graph (walk-graph.ts) or, for a row that it did not draw for, from the same steps on the host.

import type { TokenId } from '../../ids.ts';
import type { SampleRow } from '../../kernel-port.ts';
import type { SamplingParams } from '../../sampling-params.ts';
import { reweighs, surelyAllows } from '../sampling/adjust.ts';
import { drawFromAll } from '../sampling/draw.ts';
import { distanceMax, expMinus } from '../sampling/exp-table.ts';
import { mostLikely } from '../sampling/greedy.ts';
import { noEdge } from '../sampling/select-mass.ts';
import { uniform } from '../sampling/uniform.ts';

/** Tokens that are tried. At top-p 0.95 one draw in 8,000 is left to the host. */
export const tryCount = 3;

export interface Try {
  readonly token: number;
  /** Of its logit from the largest, at most 0. */
  readonly distance: number;
  /** Sum of the weights of all tokens with larger logits; the largest logit has weight 1. */
  readonly weightAbove: number;
}

export interface TriedRow {
  /** Of all weights. */
  readonly total: number;
  readonly tries: readonly Try[];
  /** Of each end-of-generation token's logit from the largest. */
  readonly endDistances: readonly number[];
}

export type Walk =
  | { readonly kind: 'drawn'; readonly token: number }
  /** All tries were dropped. */
  | { readonly kind: 'dropped' }
  /** The row is broken, or only a look at all logits can tell. */
  | { readonly kind: 'unknown' };

/**
 * Whether a row's request is drawn by trying: a matter of the request alone, so that a seed means the same in every step. Of a
 * list of tokens it is known whether one is on it, but not what all others weigh, which top-p and min-p would need.
 */
export function isWalked(row: SampleRow): boolean {
  const { sampling, mask, forbiddenTokens = [] } = row;
  const { allowedTokens, bannedRuns = [] } = sampling;
  const hasLists =
    mask !== undefined || forbiddenTokens.length > 0 || allowedTokens !== undefined || bannedRuns.length > 0;
  return (
    sampling.temperature > 0 &&
    sampling.topK === 0 &&
    sampling.typicalP === 1 &&
    !reweighs(row) &&
    !(hasLists && truncates(sampling))
  );
}

function truncates({ topP, minP }: SamplingParams): boolean {
  return topP < 1 || minP > 0;
}

/** Positions are below this, so that each try has random numbers of its own. */
const positionsMax = 2 ** 28;

/** Where the random number of a try comes from; that of `tryCount` itself is for the draw after all tries. */
export function tryPosition({ tokenCount }: Pick<SampleRow, 'tokenCount'>, attempt: number): number {
  return tokenCount + attempt * positionsMax;
}

export function tryRandom(row: Pick<SampleRow, 'seed' | 'tokenCount'>, attempt: number): number {
  return uniform(row.seed, tryPosition(row, attempt));
}

/** The first try that is kept. */
export function judge(row: SampleRow, tried: TriedRow, endTokenIds: readonly TokenId[]): Walk {
  const { sampling } = row;
  // Forbidden tokens take their weights out of every sum.
  const forbidden = row.ignoreEos && truncates(sampling) ? tried.endDistances : [];
  // What min-p is measured against is then the largest of the others.
  if (sampling.minP > 0 && forbidden.includes(0)) return { kind: 'unknown' };
  const total = tried.total - sumWeights(forbidden);
  if (!(total > 0 && Number.isFinite(total))) return { kind: 'unknown' };
  for (const { token, distance, weightAbove } of tried.tries) {
    if (!surelyAllows(row, token, endTokenIds)) continue;
    const above = weightAbove - sumWeights(forbidden.filter((end) => end > distance));
    if (isKept({ distance, share: above / total }, sampling)) return { kind: 'drawn', token };
  }
  return { kind: 'dropped' };
}

function isKept(
  { distance, share }: { readonly distance: number; readonly share: number },
  { temperature, topP, minP }: SamplingParams,
): boolean {
  // A token without weight comes up only by rounding.
  if (!(-distance / temperature < distanceMax)) return false;
  return (topP >= 1 || share < topP) && (minP === 0 || distance >= Math.log(minP));
}

function sumWeights(distances: readonly number[]): number {
  return distances.reduce((sum, distance) => sum + Math.exp(distance), 0);
}

/** The same numbers from a row's logits, shape (vocabularySize,); undefined where no token is possible or one infinitely likely. */
export function tryOnHost(
  logits: Float32Array,
  row: SampleRow,
  { endTokenIds, runSums }: { readonly endTokenIds: readonly TokenId[]; readonly runSums: Float64Array },
): TriedRow | undefined {
  const best = mostLikely(logits);
  const largest = logits[best] ?? Number.NEGATIVE_INFINITY;
  if (!Number.isFinite(largest)) return undefined;
  const distanceOf = (token: number) => (logits[token] ?? Number.NEGATIVE_INFINITY) - largest;
  const { temperature } = row.sampling;
  return {
    total: weightAbove(logits, largest, Number.NEGATIVE_INFINITY),
    endDistances: endTokenIds.map(distanceOf),
    tries: Array.from({ length: tryCount }, (_, attempt) => {
      const token = drawFromAll(logits, { temperature, random: tryRandom(row, attempt), edge: noEdge }, runSums);
      return { token, distance: distanceOf(token), weightAbove: weightAbove(logits, largest, logits[token] ?? 0) };
    }),
  };
}

function weightAbove(logits: Float32Array, largest: number, limit: number): number {
  let sum = 0;
  for (const logit of logits) {
    const distance = largest - logit;
    if (logit > limit && distance < distanceMax) sum += expMinus(distance);
  }
  return sum;
}
