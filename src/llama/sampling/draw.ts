// Draws one token from one row of logits.
// Order of steps, as in llama.cpp's default chain: (bias, penalties: adjust.ts) top-k, typical, top-p, min-p, temperature,
// draw. Truncation looks at the probabilities before temperature; the draw walks what is kept in order of token id.
// Why our own and not llama.cpp's samplers: those build a 12-byte candidate per vocabulary entry per row, and keep the
// state of a random generator, which a restarted or preempted sequence would have to carry along.

import type { SamplingParams } from '../../sampling-params.ts';
import { type Candidates, createCandidates, gather, keepWhere, largestLogit } from './candidates.ts';
import { distanceMax, expMinus } from './exp-table.ts';
import { mostLikely } from './greedy.ts';
import {
  createMassBuckets,
  type Edge,
  findEdge,
  findTopP,
  keepTopP,
  keepTypical,
  type MassBuckets,
  noEdge,
} from './select-mass.ts';
import { keepTopK } from './select-top-k.ts';
import { uniform } from './uniform.ts';

/** The parameters of SamplingParams that a draw reads once adjustments are made. */
export type DrawParams = Pick<SamplingParams, 'temperature' | 'topK' | 'topP' | 'minP' | 'typicalP'>;

/** Where the random number of a draw comes from. */
export interface DrawPoint {
  readonly seed: number;
  readonly position: number;
}

/** Arrays reused by every draw of one thread. */
export interface DrawMemory {
  readonly candidates: Candidates;
  readonly buckets: MassBuckets;
  /** Sums over runs of the vocabulary. Shape (ceil(vocabularySize / runTokens),). */
  readonly runSums: Float64Array;
}

const runTokens = 512;

export function createDrawMemory(vocabularySize: number): DrawMemory {
  return {
    candidates: createCandidates(vocabularySize),
    buckets: createMassBuckets(vocabularySize),
    runSums: createRunSums(vocabularySize),
  };
}

export function createRunSums(vocabularySize: number): Float64Array {
  return new Float64Array(Math.ceil(vocabularySize / runTokens));
}

/**
 * Draws from logits, shape (vocabularySize,): the same token for the same logits, parameters, seed and position, always.
 * Answers -1 when no token is possible: every logit is NaN or -Infinity.
 */
export function drawToken(logits: Float32Array, params: DrawParams, at: DrawPoint, memory: DrawMemory): number {
  if (params.temperature === 0) return mostLikely(logits);
  const random = uniform(at.seed, at.position);
  const { temperature } = params;
  if (!truncates(params, logits.length)) {
    return drawFromAll(logits, { temperature, random, edge: noEdge }, memory.runSums);
  }
  const edge = truncate(logits, params, memory);
  if (edge !== undefined) return drawFromAll(logits, { temperature, random, edge }, memory.runSums);
  return drawFrom(memory.candidates, temperature, random);
}

function limitsCount({ topK }: DrawParams, vocabularySize: number): boolean {
  return topK > 0 && topK < vocabularySize;
}

function truncates(params: DrawParams, vocabularySize: number): boolean {
  return limitsCount(params, vocabularySize) || params.topP < 1 || params.minP > 0 || params.typicalP < 1;
}

/**
 * Leaves in `memory.candidates` what top-k, typical, top-p and min-p keep, by ascending id; nothing if nothing is possible.
 * Answers an edge instead where they keep so many that copying them costs more than looking at all logits again.
 */
export function truncate(logits: Float32Array, params: DrawParams, memory: DrawMemory): Edge | undefined {
  const { candidates } = memory;
  if (limitsCount(params, logits.length)) {
    keepTopK(candidates, logits, params.topK);
    if (Number.isFinite(largestLogit(candidates))) truncateKept(params, memory);
    return undefined;
  }
  const best = mostLikely(logits);
  const largest = best < 0 ? Number.NEGATIVE_INFINITY : (logits[best] as number);
  if (Number.isFinite(largest)) return truncateAll(logits, { ...params, largest }, memory);
  // Nothing competes with an infinite logit, and nothing is possible without a finite one.
  gather(candidates, logits, best < 0 ? Number.POSITIVE_INFINITY : largest);
  return undefined;
}

/** Typical, top-p and min-p over what top-k kept. */
function truncateKept(params: DrawParams, { candidates, buckets }: DrawMemory): void {
  if (params.typicalP < 1) keepTypical(candidates, params.typicalP, buckets);
  if (params.topP < 1) keepTopP(candidates, { topP: params.topP }, buckets);
  if (params.minP > 0) keepLikely(candidates, params.minP);
}

/** Weights are at most 1: top-p keeps at least as many tokens as its mass. Trained models rarely pass a dozen. */
const flatMassMin = 32;

/** The same over the whole vocabulary, of which only what can be kept is gathered. */
function truncateAll(
  logits: Float32Array,
  params: DrawParams & { readonly largest: number },
  memory: DrawMemory,
): Edge | undefined {
  const { topP, minP, typicalP, largest } = params;
  const { candidates, buckets } = memory;
  if (typicalP < 1) {
    gather(candidates, logits, largest - distanceMax);
    truncateKept(params, memory);
  } else if (topP < 1) {
    const { logitMin, mass } = findTopP(logits, { topP, largest }, buckets);
    if (mass >= flatMassMin) return nearer(findEdge(logits, { mass, largest }, memory), minP);
    gather(candidates, logits, logitMin);
    keepTopP(candidates, { topP, mass }, buckets);
    if (minP > 0) keepLikely(candidates, minP);
  } else gather(candidates, logits, largest + Math.log(minP));
  return undefined;
}

/** Of two edges the one that keeps less. */
function nearer(edge: Edge, minP: number): Edge {
  const distance = minP > 0 ? -Math.log(minP) : Number.POSITIVE_INFINITY;
  return distance < edge.distance ? { distance, token: Number.POSITIVE_INFINITY } : edge;
}

function keepLikely(candidates: Candidates, minP: number): void {
  const logitMin = largestLogit(candidates) + Math.log(minP);
  const { logits } = candidates;
  keepWhere(candidates, (index) => (logits[index] as number) >= logitMin);
}

function drawFrom(candidates: Candidates, temperature: number, random: number): number {
  const { tokens, logits, weights, count } = candidates;
  const largest = largestLogit(candidates);
  if (!Number.isFinite(largest)) return count === 0 ? -1 : (tokens[logits.indexOf(largest)] as number);
  let total = 0;
  for (let index = 0; index < count; index++) {
    const distance = (largest - (logits[index] as number)) / temperature;
    const weight = distance < distanceMax ? expMinus(distance) : 0;
    weights[index] = weight;
    total += weight;
  }
  const target = random * total;
  let sum = 0;
  let last = -1;
  for (let index = 0; index < count; index++) {
    const weight = weights[index] as number;
    if (weight === 0) continue;
    last = tokens[index] as number;
    sum += weight;
    if (sum > target) return last;
  }
  return last;
}

/** The draw over a whole vocabulary up to an edge: sums per run of tokens, then a walk through the one run that holds the target. */
export function drawFromAll(
  logits: Float32Array,
  params: { readonly temperature: number; readonly random: number; readonly edge: Edge },
  runSums: Float64Array,
): number {
  const best = mostLikely(logits);
  const largest = best < 0 ? best : (logits[best] as number);
  // Nothing competes with an infinite logit, and nothing is possible without a finite one.
  if (best < 0 || !Number.isFinite(largest)) return best;
  const scale = Math.min(1 / params.temperature, Number.MAX_VALUE);
  const { distance: distanceEnd, token: tokenEnd } = params.edge;
  let total = 0;
  for (let run = 0; run < runSums.length; run++) {
    const end = Math.min(logits.length, (run + 1) * runTokens);
    let sum = 0;
    for (let token = run * runTokens; token < end; token++) {
      const distance = largest - (logits[token] as number);
      if (distance > distanceEnd || (distance === distanceEnd && token > tokenEnd)) continue;
      if (distance * scale < distanceMax) sum += expMinus(distance * scale);
    }
    runSums[run] = sum;
    total += sum;
  }
  const found = findRun(runSums, params.random * total);
  let rest = found.rest;
  let last = -1;
  const end = Math.min(logits.length, (found.run + 1) * runTokens);
  for (let token = found.run * runTokens; token < end; token++) {
    const distance = largest - (logits[token] as number);
    if (distance > distanceEnd || (distance === distanceEnd && token > tokenEnd)) continue;
    if (!(distance * scale < distanceMax)) continue;
    last = token;
    rest -= expMinus(distance * scale);
    if (rest < 0) break;
  }
  return last;
}

/** The run in which the sums exceed `target`, and what is left of the target before it. */
function findRun(runSums: Float64Array, target: number): { readonly run: number; readonly rest: number } {
  let rest = target;
  let found = 0;
  let foundRest = target;
  for (let run = 0; run < runSums.length; run++) {
    const sum = runSums[run] as number;
    if (sum === 0) continue;
    found = run;
    foundRest = rest;
    if (rest < sum) break;
    rest -= sum;
  }
  return { run: found, rest: foundRest };
}
