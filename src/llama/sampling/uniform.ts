// The random number of a draw: a hash of (seed, position), not the state of a generator.
// Why: preempting, parking, restarting or batching a sequence differently must not change which draw is made.
// Source of the mixing constants: MurmurHash3's 32-bit finalizer.

/** A number in [0, 1) with 53 random bits, the same for the same seed (53-bit integer) and position, always. */
export function uniform(seed: number, position: number): number {
  const seedLow = seed >>> 0;
  const seedHigh = Math.floor(seed / 2 ** 32) >>> 0;
  const start = mix(seedLow ^ mix(seedHigh ^ mix(position ^ 0x9e3779b9)));
  const high = mix(start ^ 0x85ebca6b) >>> 5;
  const low = mix(start ^ 0xc2b2ae35) >>> 6;
  return (high * 2 ** 26 + low) / 2 ** 53;
}

function mix(value: number): number {
  let mixed = value ^ (value >>> 16);
  mixed = Math.imul(mixed, 0x85ebca6b);
  mixed ^= mixed >>> 13;
  mixed = Math.imul(mixed, 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
