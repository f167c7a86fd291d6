// Seeds: 53-bit integers, one per choice.
// Why choice i gets seed + i: a request with n answers gives the same ones as n requests with those seeds.

import { getRandomValues } from 'node:crypto';

const range = 2 ** 53;

/** A seed for a request that names none. */
export function randomSeed(): number {
  const [high = 0, low = 0] = getRandomValues(new Uint32Array(2));
  return (high >>> 11) * 2 ** 32 + low;
}

/** The seed of a request's choice, within 0 to 2^53 - 1 for any safe integer `seed`. */
export function choiceSeed(seed: number, index: number): number {
  const base = seed < 0 ? seed + range : seed;
  const room = range - base;
  return index < room ? base + index : index - room;
}
