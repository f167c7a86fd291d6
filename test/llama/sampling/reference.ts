// What a draw should do, written as plainly as possible: sort everything, use Math.exp, copy freely.

import type { DrawParams } from '../../../src/llama/sampling/draw.ts';
import { uniform } from '../../../src/llama/sampling/uniform.ts';

export interface Entry {
  readonly token: number;
  readonly logit: number;
}

/** Tokens that can be drawn at all, most likely first, lower ids first among equals. */
export function ranked(logits: Float32Array): Entry[] {
  return Array.from(logits, (logit, token) => ({ token, logit }))
    .filter(({ logit }) => logit > Number.NEGATIVE_INFINITY)
    .sort((a, b) => b.logit - a.logit || a.token - b.token);
}

export function shares(entries: readonly Entry[], temperature = 1): number[] {
  const largest = Math.max(...entries.map(({ logit }) => logit));
  const weights = entries.map(({ logit }) => Math.exp((logit - largest) / temperature));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return weights.map((weight) => weight / total);
}

/** The first entries whose shares reach `share`. */
export function reaching(entries: readonly Entry[], masses: readonly number[], share: number): Entry[] {
  let sum = 0;
  const count = masses.findIndex((mass) => {
    sum += mass;
    return sum >= share;
  });
  return entries.slice(0, count < 0 ? entries.length : count + 1);
}

export function keptByReference(logits: Float32Array, { topK, topP, minP, typicalP }: DrawParams): Entry[] {
  let kept = ranked(logits);
  if (topK > 0) kept = kept.slice(0, topK);
  if (typicalP < 1) kept = typical(kept, typicalP);
  if (topP < 1) kept = reaching(kept, shares(kept), topP);
  const largest = Math.max(...kept.map(({ logit }) => logit));
  return minP > 0 ? kept.filter(({ logit }) => logit >= largest + Math.log(minP)) : kept;
}

/** The surprise of an entry is its distance from the largest logit plus a constant, and the entropy is its mean. */
function typical(entries: readonly Entry[], share: number): Entry[] {
  const masses = shares(entries);
  const largest = Math.max(...entries.map(({ logit }) => logit));
  const distances = entries.map(({ logit }) => largest - logit);
  const mean = masses.reduce((sum, mass, index) => sum + mass * Math.min(distances[index] ?? 0, 1e6), 0);
  const keyed = entries
    .map((entry, index) => ({ entry, mass: masses[index] ?? 0, key: Math.abs((distances[index] ?? 0) - mean) }))
    .sort((a, b) => a.key - b.key || a.entry.token - b.entry.token);
  const kept = reaching(
    keyed.map(({ entry }) => entry),
    keyed.map(({ mass }) => mass),
    share,
  );
  return kept.sort((a, b) => b.logit - a.logit || a.token - b.token);
}

/** The draw itself: what is kept, in order of id, cut by the random number. */
export function drawByReference(
  logits: Float32Array,
  params: DrawParams,
  at: { seed: number; position: number },
): number {
  const kept = keptByReference(logits, params).sort((a, b) => a.token - b.token);
  let rest = uniform(at.seed, at.position);
  for (const [index, share] of shares(kept, params.temperature).entries()) {
    rest -= share;
    if (rest < 0) return kept[index]?.token ?? -1;
  }
  return kept.at(-1)?.token ?? -1;
}
