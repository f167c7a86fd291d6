// e to the minus x, three times as fast as Math.exp: for the passes that sum weights over a whole vocabulary.
// Why exact enough: x is split into n/16 (a table entry) and a rest below 1/16, whose series is cut after the fourth power.
// The rest's error is under (1/16)^5 / 5! < 8e-9 of the weight; a logit is a float32, whose own rounding moves weights more.

/** Steps of the table per unit; also the width of the buckets in select-mass.ts. */
export const stepsPerUnit = 16;

/**
 * Weights at or beyond this distance from the largest logit count as nothing. A vocabulary of 2^24 tokens at exactly this
 * distance would weigh 2^24 * e^-64 < 2^-68 of the first: less than a double can add to the sum.
 */
export const distanceMax = 64;

/** e^(-n/16). Shape (distanceMax * stepsPerUnit,). */
const table = Float64Array.from({ length: distanceMax * stepsPerUnit }, (_, n) => Math.exp(-n / stepsPerUnit));

/** e^-distance for 0 <= distance < distanceMax. */
export function expMinus(distance: number): number {
  const step = (distance * stepsPerUnit) | 0;
  const rest = distance - step / stepsPerUnit;
  const series = 1 - rest * (1 - rest * (0.5 - rest * (1 / 6 - rest * (1 / 24))));
  return (table[step] ?? 0) * series;
}
