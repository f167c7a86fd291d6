// A reference kept as its k most likely tokens of each row and one bucket for the rest, for when two models do not fit.
// What that costs: the divergence of the buckets is never larger than the exact one (the log sum inequality), and is smaller by
// the rest's mass times the divergence within the rest. So the reported number is a lower bound, and says how much mass was
// in the bucket. Why not whole rows: 152,064 numbers a token make 37 GiB of a small book.

import { assert } from '../../assert.ts';
import { createCandidates } from '../../llama/sampling/candidates.ts';
import { keepTopK } from '../../llama/sampling/select-top-k.ts';
import type { PairScore, RowScore } from './score-windows.ts';

export interface TopReference {
  readonly k: number;
  /** Most likely tokens of each row. Shape (rows, k). */
  readonly tokens: Uint32Array;
  /** Their log-probabilities. Shape (rows, k). */
  readonly logProbabilities: Float32Array;
  /** Log-probability of the token that follows, and the first choice. Shape (rows,). */
  readonly targetLogProbabilities: Float64Array;
  readonly topTokens: Uint32Array;
}

/** Bytes that a reference of this many rows takes. */
export function topReferenceBytes(rowCount: number, k: number): number {
  return rowCount * (k * 8 + 12);
}

/** Keeps rows in order of `add`; `k` at most the vocabulary's size. */
export function createTopReference(
  rowCount: number,
  k: number,
): {
  readonly reference: TopReference;
  readonly add: (logits: Float32Array, score: RowScore) => void;
} {
  const reference: TopReference = {
    k,
    tokens: new Uint32Array(rowCount * k),
    logProbabilities: new Float32Array(rowCount * k),
    targetLogProbabilities: new Float64Array(rowCount),
    topTokens: new Uint32Array(rowCount),
  };
  const candidates = createCandidates(k);
  let row = 0;
  return {
    reference,
    add(logits, { logProbability, topToken, logSum }) {
      keepTopK(candidates, logits, k);
      for (let index = 0; index < k; index++) {
        // Fewer than k possible tokens: the others have probability 0.
        const isKept = index < candidates.count;
        reference.tokens[row * k + index] = isKept ? (candidates.tokens[index] as number) : 0;
        reference.logProbabilities[row * k + index] = isKept
          ? (candidates.logits[index] as number) - logSum
          : Number.NEGATIVE_INFINITY;
      }
      reference.targetLogProbabilities[row] = logProbability;
      reference.topTokens[row] = topToken;
      row += 1;
    },
  };
}

export interface BucketScore extends PairScore {
  /** The reference's mass outside the kept tokens. */
  readonly restMass: number;
}

/** Compares a row with row `row` of the reference. O(k). */
export function compareWithTop(
  { reference, row }: { readonly reference: TopReference; readonly row: number },
  logits: Float32Array,
  score: RowScore,
): BucketScore {
  const { k } = reference;
  assert((row + 1) * k <= reference.tokens.length, 'the reference has the row');
  let divergence = 0;
  let mass = 0;
  let ownMass = 0;
  for (let index = row * k; index < (row + 1) * k; index++) {
    const logProbability = reference.logProbabilities[index] as number;
    const probability = Math.exp(logProbability);
    if (probability === 0) continue;
    const ownLogProbability = (logits[reference.tokens[index] as number] as number) - score.logSum;
    divergence += probability * (logProbability - ownLogProbability);
    mass += probability;
    ownMass += Math.exp(ownLogProbability);
  }
  const restMass = Math.max(0, 1 - mass);
  const ownRestMass = Math.max(0, 1 - ownMass);
  // A rest of rounding alone says nothing. Taking the model's own rest for larger than it is keeps the lower bound.
  if (restMass > restMassMin) divergence += restMass * Math.log(restMass / Math.max(ownRestMass, ownRestMassMin));
  return {
    ...score,
    divergence: Math.max(0, divergence),
    restMass,
    reference: {
      logProbability: reference.targetLogProbabilities[row] as number,
      topToken: reference.topTokens[row] as number,
      logSum: 0,
    },
  };
}

/** The reference's masses are sums of numbers with 24 bits; the model's own of numbers with 53, and of a normalizer that is never too small. */
const restMassMin = 1e-6;
const ownRestMassMin = 1e-12;
