// What the values of a tensor look like, gathered part by part: range, mean, spread, histogram, outliers.
// Why two passes: the error formats with a scale per tensor need its largest value first, and moments around a known mean
// need no correction for cancellation.

/**
 * Counts by sign and power of two, zeros left out. Shape (512,), by the upper nine bits of the float32: sign and exponent
 * field, so that a value's place costs one shift.
 */
export type Histogram = Float64Array;

export interface Outlier {
  readonly value: number;
  /** Position in the tensor as it lies in the file. */
  readonly index: number;
}

/** From the first pass. */
export interface Extent {
  readonly count: number;
  /** NaN and infinities; they count nowhere else. */
  readonly nonFiniteCount: number;
  readonly zeroCount: number;
  readonly min: number;
  readonly max: number;
  readonly largest: number;
  readonly mean: number;
  readonly histogram: Histogram;
  /** The largest in size, largest first. */
  readonly outliers: readonly Outlier[];
}

export interface ExtentGatherer {
  /** Adds values that begin at `index` of the tensor; NaN and infinities in them become 0. */
  add(values: Float32Array, index: number): void;
  result(): Extent;
}

const outlierCount = 5;

interface ExtentTotals {
  readonly count: number;
  readonly nonFiniteCount: number;
  readonly zeroCount: number;
  readonly sum: number;
  readonly min: number;
  readonly max: number;
}

/** Gathers the first pass. About 5 ns a value. */
export function gatherExtent(): ExtentGatherer {
  const histogram: Histogram = new Float64Array(512);
  const outliers: Outlier[] = [];
  const [min, max] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  let totals: ExtentTotals = { count: 0, nonFiniteCount: 0, zeroCount: 0, sum: 0, min, max };
  return {
    add(values, index) {
      totals = addExtent(totals, values, histogram);
      noteOutliers(outliers, values, index);
    },
    result() {
      const { count, sum } = totals;
      const facts = { histogram, outliers, largest: Math.abs(outliers[0]?.value ?? 0) };
      if (count === 0) return { ...totals, ...facts, min: 0, max: 0, mean: 0 };
      return { ...totals, ...facts, mean: sum / count };
    },
  };
}

/** In a function of its own, with local sums: those of a closure cost more than the arithmetic. */
function addExtent(totals: ExtentTotals, values: Float32Array, histogram: Histogram): ExtentTotals {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  let { nonFiniteCount, zeroCount, sum, min, max } = totals;
  for (let index = 0; index < values.length; index++) {
    const bin = (bits[index] ?? 0) >>> 23;
    const value = values[index] ?? 0;
    if ((bin & 0xff) === 0xff) {
      nonFiniteCount += 1;
      values[index] = 0;
      continue;
    }
    sum += value;
    if (value < min) min = value;
    if (value > max) max = value;
    if (value === 0) zeroCount += 1;
    else histogram[bin] = (histogram[bin] ?? 0) + 1;
  }
  const count = totals.count + values.length - (nonFiniteCount - totals.nonFiniteCount);
  return { count, nonFiniteCount, zeroCount, sum, min, max };
}

/** Keeps the largest in size, largest first; the first of equal ones. */
function noteOutliers(outliers: Outlier[], values: Float32Array, firstIndex: number): void {
  let least = outliers.length < outlierCount ? 0 : Math.abs(outliers.at(-1)?.value ?? 0);
  for (let index = 0; index < values.length; index++) {
    const value = values[index] ?? 0;
    const size = Math.abs(value);
    if (size <= least) continue;
    const rank = outliers.findIndex((other) => Math.abs(other.value) < size);
    outliers.splice(rank < 0 ? outliers.length : rank, 0, { value, index: firstIndex + index });
    if (outliers.length > outlierCount) outliers.pop();
    if (outliers.length === outlierCount) least = Math.abs(outliers.at(-1)?.value ?? 0);
  }
}

/** From the second pass: spread around the mean. */
export interface Spread {
  readonly standardDeviation: number;
  /** Fourth moment against the square of the second: 3 for a normal distribution, more with outliers. NaN without spread. */
  readonly kurtosis: number;
  /** Sum of the squares of the values themselves. */
  readonly squares: number;
}

export interface SpreadGatherer {
  /** Adds finite values. */
  add(values: Float32Array): void;
  result(): Spread;
}

interface SpreadTotals {
  readonly second: number;
  readonly fourth: number;
  readonly squares: number;
}

/** Gathers the moments around a mean that the first pass found. */
export function gatherSpread(extent: Pick<Extent, 'mean' | 'count' | 'nonFiniteCount'>): SpreadGatherer {
  const { mean, count, nonFiniteCount } = extent;
  let totals: SpreadTotals = { second: 0, fourth: 0, squares: 0 };
  return {
    add(values) {
      totals = addSpread(totals, values, mean);
    },
    result() {
      const { second, fourth, squares } = totals;
      // What was not finite was made 0 and is no value: its distance from the mean must not count.
      const variance = count === 0 ? 0 : Math.max(0, second - nonFiniteCount * mean ** 2) / count;
      const fourthMean = count === 0 ? 0 : Math.max(0, fourth - nonFiniteCount * mean ** 4) / count;
      return { standardDeviation: Math.sqrt(variance), kurtosis: fourthMean / variance ** 2, squares };
    },
  };
}

function addSpread(totals: SpreadTotals, values: Float32Array, mean: number): SpreadTotals {
  let { second, fourth, squares } = totals;
  for (let index = 0; index < values.length; index++) {
    const value = values[index] ?? 0;
    const square = (value - mean) * (value - mean);
    second += square;
    fourth += square * square;
    squares += value * value;
  }
  return { second, fourth, squares };
}
