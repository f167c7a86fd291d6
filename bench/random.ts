// Random numbers from a fixed seed: the same prompts and arrival times on every machine, for every server compared.
// Source: the splitmix32 step (a Weyl sequence passed through a 32-bit finalizer), good enough for workloads.

/** A generator of uniform numbers in [0, 1). */
export type Random = () => number;

const weylStep = 0x9e3779b9;

export function createRandom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + weylStep) >>> 0;
    return finalize(state) / 2 ** 32;
  };
}

/** One 32-bit seed out of several numbers; a change in any of them gives an unrelated stream. */
export function mixSeed(...parts: readonly number[]): number {
  return parts.reduce((seed, part) => finalize((seed + weylStep) ^ finalize(part >>> 0)), 0);
}

/** A waiting time between events that come `ratePerSecond` times a second on average, independently (Poisson). */
export function exponentialMs(random: Random, ratePerSecond: number): number {
  return (-Math.log(1 - random()) / ratePerSecond) * 1000;
}

function finalize(value: number): number {
  let mixed = value ^ (value >>> 16);
  mixed = Math.imul(mixed, 0x21f0aaad);
  mixed ^= mixed >>> 15;
  mixed = Math.imul(mixed, 0x735a2d97);
  return (mixed ^ (mixed >>> 15)) >>> 0;
}
