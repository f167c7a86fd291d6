// Counting into buckets, cheap enough for every token of every stream: one binary search and two additions.
// Why not prom-client's own observe: it hashes labels and allocates on each call, and an observation that two names
// show (octet_ and vllm:) would have to be made twice. Here both names read the same counts when they are scraped.

export interface Buckets {
  /** Upper bounds, ascending; the bucket above the last has no bound. Shape (boundCount,). */
  readonly bounds: Float64Array;
  /** Observations in each bucket, not accumulated. Shape (boundCount + 1,). */
  readonly counts: Float64Array;
  sum: number;
  count: number;
}

export function createBuckets(bounds: readonly number[]): Buckets {
  return { bounds: Float64Array.from(bounds), counts: new Float64Array(bounds.length + 1), sum: 0, count: 0 };
}

/** Counts one value. Values that are not finite or below zero (a clock that stepped) count as zero. O(log bounds). */
export function observe(buckets: Buckets, value: number): void {
  const counted = value > 0 && value < Number.POSITIVE_INFINITY ? value : 0;
  const { bounds, counts } = buckets;
  let low = 0;
  let high = bounds.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((bounds[middle] ?? 0) < counted) low = middle + 1;
    else high = middle;
  }
  counts[low] = (counts[low] ?? 0) + 1;
  buckets.sum += counted;
  buckets.count += 1;
}

// Bounds. Each list holds every bound that vLLM has for the same measure, so that histograms of a mixed fleet add up,
// and finer ones below them, because a small model sits entirely in vLLM's first bucket.

/** Seconds between two tokens. */
export const tokenSecondsBounds: readonly number[] = [
  0.001, 0.002, 0.003, 0.004, 0.005, 0.006, 0.008, 0.01, 0.0125, 0.015, 0.02, 0.025, 0.03, 0.035, 0.04, 0.05, 0.06,
  0.075, 0.1, 0.125, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80,
];

/** Seconds to the first token. */
export const firstTokenSecondsBounds: readonly number[] = [
  0.001, 0.002, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.04, 0.05, 0.06, 0.08, 0.1, 0.15, 0.2, 0.25, 0.35, 0.5, 0.75,
  1, 1.5, 2.5, 5, 7.5, 10, 20, 40, 80, 160, 640, 2560,
];

/** Seconds of a whole request or one of its phases. */
export const requestSecondsBounds: readonly number[] = [
  0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 0.8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30,
  40, 50, 60, 120, 240, 480, 960, 1920, 7680,
];

/** Seconds of one step or one of its parts. */
export const stepSecondsBounds: readonly number[] = [
  0.0001, 0.00025, 0.0005, 0.001, 0.002, 0.003, 0.004, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.04, 0.05, 0.075, 0.1,
  0.15, 0.2, 0.3, 0.5, 0.75, 1, 2.5, 5, 10, 30, 60, 600,
];

/** Seconds for the masks of one step: microseconds for a few rows. */
export const maskSecondsBounds: readonly number[] = [
  0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5,
];

/** Tokens of one step. */
export const stepTokensBounds: readonly number[] = [
  1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384,
];

/** Sequences of one step. */
export const stepSequencesBounds: readonly number[] = [1, 2, 4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256];

/** Tokens of a request: the 1-2-5 series. */
export const requestTokensBounds: readonly number[] = [
  1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000, 1_000_000,
];

/** Answers to one request. */
export const choiceCountBounds: readonly number[] = [1, 2, 5, 10, 20, 50, 100];

/** Seconds of an HTTP exchange: few, because every route has them. */
export const httpSecondsBounds: readonly number[] = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 600,
];
