// Top-p and typical sampling: the smallest set of tokens, best first, whose probability reaches a share.
// Why buckets: sorting a vocabulary for one draw is what makes samplers slow. Masses are summed per bucket of the key, the
// bucket in which the share is reached is the only one that is sorted, and everything before it is kept unseen.

import { type Candidates, gatherBetween, keepWhere, largestLogit } from './candidates.ts';
import { distanceMax, expMinus, stepsPerUnit } from './exp-table.ts';

/** Mass per bucket; reused. The last bucket takes every key beyond the table. Shape (bucketCount,). */
export interface MassBuckets {
  readonly masses: Float64Array;
  readonly keys: Float64Array;
}

const bucketCount = distanceMax * stepsPerUnit;

export function createMassBuckets(vocabularySize: number): MassBuckets {
  return { masses: new Float64Array(bucketCount), keys: new Float64Array(vocabularySize) };
}

function bucketOf(key: number): number {
  return key < distanceMax ? (key * stepsPerUnit) | 0 : bucketCount - 1;
}

/** Tokens nearer to the largest logit than this are summed per bucket at first; e^-12 is 6 millionths. */
const nearDistance = 12;

export interface Reached {
  readonly logitMin: number;
  readonly mass: number;
}

/**
 * Where top-p of a whole vocabulary must look: tokens with logits of at least `logitMin` reach `mass`, which is the share
 * `topP` of all weights (relative to the largest logit's). O(vocabulary), nothing is copied.
 */
export function findTopP(
  logits: Float32Array,
  share: { readonly topP: number; readonly largest: number },
  { masses }: MassBuckets,
): Reached {
  const sums = sumBuckets(logits, { largest: share.largest, nearest: nearDistance }, masses);
  const mass = share.topP * sums.total;
  // A flat distribution: the share is reached only far down.
  if (mass > sums.near) sumBuckets(logits, { largest: share.largest, nearest: distanceMax }, masses);
  const { bucket } = reach(masses, mass);
  return { logitMin: share.largest - (bucket + 1) / stepsPerUnit, mass };
}

/** Where what is kept ends: nearer to the largest logit than `distance`, or exactly that far and no later than `token`. */
export interface Edge {
  readonly distance: number;
  readonly token: number;
}

export const noEdge: Edge = { distance: Number.POSITIVE_INFINITY, token: Number.POSITIVE_INFINITY };

/**
 * The edge of top-p over a whole vocabulary, for weights that so many tokens share that gathering them would cost more than
 * looking at all again. O(vocabulary); only the tokens of one bucket are copied.
 */
export function findEdge(
  logits: Float32Array,
  share: { readonly mass: number; readonly largest: number },
  { candidates, buckets }: { readonly candidates: Candidates; readonly buckets: MassBuckets },
): Edge {
  const { largest, mass } = share;
  const { bucket, before } = reach(buckets.masses, mass);
  gatherBetween(candidates, logits, {
    from: largest - (bucket + 1) / stepsPerUnit,
    to: largest - (bucket - roundingShare) / stepsPerUnit,
  });
  weigh(candidates, largest);
  const { keys } = buckets;
  for (let index = 0; index < candidates.count; index++) keys[index] = largest - (candidates.logits[index] as number);
  const edge = edgeOf(candidates, { bucket, missing: mass - before }, keys);
  return { distance: edge.key, token: candidates.tokens[edge.index] ?? -1 };
}

/** Of a bucket's width: a distance that lies just below a bucket may have been rounded up into it. */
const roundingShare = 1e-6;

/** Sums all weights, and per bucket those nearer than `nearest`: of most vocabularies that is a handful of tokens. */
function sumBuckets(
  logits: Float32Array,
  range: { readonly largest: number; readonly nearest: number },
  masses: Float64Array,
): { readonly total: number; readonly near: number } {
  const { largest, nearest } = range;
  masses.fill(0);
  let far = 0;
  let near = 0;
  for (let token = 0; token < logits.length; token++) {
    const distance = largest - (logits[token] as number);
    if (distance >= nearest && distance < distanceMax) far += expMinus(distance);
    else if (distance < nearest) {
      const weight = expMinus(distance);
      const bucket = (distance * stepsPerUnit) | 0;
      masses[bucket] = (masses[bucket] as number) + weight;
      near += weight;
    }
  }
  return { total: near + far, near };
}

/** Keeps the most likely candidates whose weights reach `mass` (of all, by default the share `topP`). At least one stays. */
export function keepTopP(candidates: Candidates, share: { topP: number; mass?: number }, buckets: MassBuckets): void {
  const largest = largestLogit(candidates);
  const total = weigh(candidates, largest);
  const { logits, count } = candidates;
  for (let index = 0; index < count; index++) buckets.keys[index] = largest - (logits[index] as number);
  keepMass(candidates, share.mass ?? share.topP * total, buckets);
}

/** Locally typical sampling: keeps the candidates whose surprise is nearest to the entropy and that reach the share. */
export function keepTypical(candidates: Candidates, share: number, buckets: MassBuckets): void {
  const largest = largestLogit(candidates);
  const total = weigh(candidates, largest);
  const { logits, weights, count } = candidates;
  let weightedDistance = 0;
  for (let index = 0; index < count; index++) {
    const weight = weights[index] as number;
    if (weight > 0) weightedDistance += weight * (largest - (logits[index] as number));
  }
  // Surprise is distance + ln(total); its mean is the entropy, so that the logarithm cancels.
  const meanDistance = weightedDistance / total;
  for (let index = 0; index < count; index++)
    buckets.keys[index] = Math.abs(largest - (logits[index] as number) - meanDistance);
  keepMass(candidates, share * total, buckets);
}

/** Sets each candidate's weight relative to the largest logit's; answers the sum. */
function weigh({ logits, weights, count }: Candidates, largest: number): number {
  let total = 0;
  for (let index = 0; index < count; index++) {
    const distance = largest - (logits[index] as number);
    const weight = distance < distanceMax ? expMinus(distance) : 0;
    weights[index] = weight;
    total += weight;
  }
  return total;
}

/** Keeps, in ascending order of key (then id), the fewest candidates whose weights sum up to `mass`. */
function keepMass(candidates: Candidates, mass: number, { masses, keys }: MassBuckets): void {
  const { weights, count } = candidates;
  masses.fill(0);
  for (let index = 0; index < count; index++) {
    const bucket = bucketOf(keys[index] as number);
    masses[bucket] = (masses[bucket] as number) + (weights[index] as number);
  }
  const { bucket, before } = reach(masses, mass);
  const edge = edgeOf(candidates, { bucket, missing: mass - before }, keys);
  keepWhere(candidates, (index) => {
    const key = keys[index] as number;
    return key < edge.key || (key === edge.key && index <= edge.index);
  });
}

/** More members than this are split into narrower buckets before they are sorted. */
const sortedMax = 128;
const splitCount = 256;

/**
 * The last candidate that is still needed, in order of key and index, of the bucket in which the mass is reached. Where many
 * logits are nearly equal that bucket may hold most of the vocabulary: it is split again until few are left. O(members).
 */
function edgeOf(
  { weights, count }: Candidates,
  reached: { readonly bucket: number; readonly missing: number },
  keys: Float64Array,
): { readonly key: number; readonly index: number } {
  let members: number[] = [];
  for (let index = 0; index < count; index++)
    if (bucketOf(keys[index] as number) === reached.bucket) members.push(index);
  let { missing } = reached;
  while (members.length > sortedMax) {
    const { low, high } = rangeOf(members, keys);
    if (low === high) break;
    const partOf = (index: number): number =>
      Math.min(((((keys[index] as number) - low) / (high - low)) * splitCount) | 0, splitCount - 1);
    const masses = new Float64Array(splitCount);
    for (const index of members) masses[partOf(index)] = (masses[partOf(index)] as number) + (weights[index] as number);
    const { bucket, before } = reach(masses, missing);
    missing -= before;
    members = members.filter((index) => partOf(index) === bucket);
  }
  members.sort((a, b) => (keys[a] as number) - (keys[b] as number) || a - b);
  let sum = 0;
  const last = members.find((index) => {
    sum += weights[index] as number;
    return sum >= missing;
  });
  const index = last ?? members.at(-1) ?? -1;
  return { key: keys[index] ?? Number.NEGATIVE_INFINITY, index };
}

function rangeOf(members: readonly number[], keys: Float64Array): { readonly low: number; readonly high: number } {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (const index of members) {
    low = Math.min(low, keys[index] as number);
    high = Math.max(high, keys[index] as number);
  }
  return { low, high };
}

/** The first bucket at which the masses sum up to `mass`, and the sum before it; the last filled one if rounding misses it. */
function reach(masses: Float64Array, mass: number): { readonly bucket: number; readonly before: number } {
  let sum = 0;
  let found = { bucket: 0, before: 0 };
  for (let bucket = 0; bucket < masses.length; bucket++) {
    const here = masses[bucket] as number;
    if (here === 0) continue;
    found = { bucket, before: sum };
    sum += here;
    if (sum >= mass) break;
  }
  return found;
}
