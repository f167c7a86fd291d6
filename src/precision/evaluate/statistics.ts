// Means, percentiles and proportions with what they may be off by.
// Why these forms: they are llama-perplexity's, so that its numbers and these can be laid side by side.
// Source: tools/perplexity/perplexity.cpp of llama.cpp v0.5.0; Wilson (1927) for proportions.

/** A value and its standard error. */
export interface Estimate {
  readonly value: number;
  readonly standardError: number;
}

/** The mean of independent values and its standard error; 0 for no values. */
export function meanOf(values: ArrayLike<number>): Estimate {
  const count = values.length;
  if (count === 0) return { value: 0, standardError: 0 };
  const value = sumOf(values) / count;
  return { value, standardError: count < 2 ? 0 : Math.sqrt(centered(values, value) / count / (count - 1)) };
}

/** Covariance of the means of two lists of equal length. */
export function meanCovariance(first: ArrayLike<number>, second: ArrayLike<number>): number {
  const count = first.length;
  if (count < 2) return 0;
  const firstMean = sumOf(first) / count;
  const secondMean = sumOf(second) / count;
  let sum = 0;
  for (let index = 0; index < count; index++)
    sum += ((first[index] as number) - firstMean) * ((second[index] as number) - secondMean);
  return sum / count / (count - 1);
}

/** Root of the mean square, with its standard error by propagation. */
export function rootMeanSquare(values: ArrayLike<number>): Estimate {
  const squares = meanOf(Float64Array.from(values, (value) => value * value));
  const value = Math.sqrt(squares.value);
  return { value, standardError: value === 0 ? 0 : (0.5 / value) * squares.standardError };
}

/** Of ascending values, the one that `fraction` of them stay below, interpolated between neighbours. */
export function percentile(ascending: ArrayLike<number>, fraction: number): number {
  const last = ascending.length - 1;
  const place = Math.min(Math.max(fraction, 0), 1) * last;
  const below = Math.floor(place);
  const rest = place - below;
  const low = ascending[below] ?? 0;
  return rest === 0 ? low : (1 - rest) * low + rest * (ascending[Math.min(below + 1, last)] ?? 0);
}

/**
 * Standard error of a percentile of independent values, without an assumption on their distribution: half of what lies between
 * the ranks one binomial standard deviation below and above. Too small where few values lie beyond it; nothing for the largest.
 */
export function percentileError(ascending: ArrayLike<number>, fraction: number): number {
  const count = ascending.length;
  const reach = Math.sqrt((fraction * (1 - fraction)) / Math.max(1, count));
  return (percentile(ascending, fraction + reach) - percentile(ascending, fraction - reach)) / 2;
}

/** A share of independent trials. */
export interface Proportion extends Estimate {
  readonly count: number;
  /** Wilson's interval at 95 %: holds also near 0 and 1, where value plus minus two errors does not. */
  readonly low: number;
  readonly high: number;
}

/** The normal distribution's two-sided 95 % point. */
export const normal95 = 1.959963984540054;

export function proportionOf(successCount: number, count: number): Proportion {
  if (count === 0) return { value: 0, standardError: 0, count, low: 0, high: 1 };
  const value = successCount / count;
  const z2 = normal95 ** 2 / count;
  const middle = (value + z2 / 2) / (1 + z2);
  const reach = Math.sqrt(z2 * (value * (1 - value) + z2 / 4)) / (1 + z2);
  return {
    value,
    count,
    standardError: count < 2 ? 0 : Math.sqrt((value * (1 - value)) / (count - 1)),
    low: Math.max(0, middle - reach),
    high: Math.min(1, middle + reach),
  };
}

/**
 * Whether two runs over the same items differ by more than chance: an exact sign test over the items that flipped
 * (McNemar). Answers the two-sided probability of a split at least as uneven if both were equally good.
 */
export function signTest(gainedCount: number, lostCount: number): number {
  const count = gainedCount + lostCount;
  if (count === 0) return 1;
  let tail = 0;
  // log(choose(count, k) / 2^count), from k = 0 upwards.
  let logTerm = -count * Math.LN2;
  for (let k = 0; k <= Math.min(gainedCount, lostCount); k++) {
    tail += Math.exp(logTerm);
    logTerm += Math.log(count - k) - Math.log(k + 1);
  }
  return Math.min(1, 2 * tail);
}

function sumOf(values: ArrayLike<number>): number {
  let sum = 0;
  for (let index = 0; index < values.length; index++) sum += values[index] as number;
  return sum;
}

function centered(values: ArrayLike<number>, mean: number): number {
  let sum = 0;
  for (let index = 0; index < values.length; index++) sum += ((values[index] as number) - mean) ** 2;
  return sum;
}
