// Order statistics over measured times.
// Why nearest rank: every percentile printed is a time that really occurred, and p99 of few values is their worst.

/** The smallest value that at least `share` (0 to 1) of `values` do not exceed; undefined when there are none. O(n log n). */
export function percentile(values: readonly number[], share: number): number | undefined {
  return percentileOfSorted(ascending(values), share);
}

/** Several percentiles for one sort. */
export function percentiles<const Names extends Readonly<Record<string, number>>>(
  values: readonly number[],
  shares: Names,
): { readonly [Name in keyof Names]: number | undefined };
export function percentiles(
  values: readonly number[],
  shares: Readonly<Record<string, number>>,
): Readonly<Record<string, number | undefined>> {
  const sorted = ascending(values);
  return Object.fromEntries(Object.entries(shares).map(([name, share]) => [name, percentileOfSorted(sorted, share)]));
}

/** The middle value, or the mean of the two middle ones; undefined when there are none. */
export function median(values: readonly number[]): number | undefined {
  const sorted = ascending(values);
  const upper = sorted[Math.floor(sorted.length / 2)];
  const lower = sorted[Math.ceil(sorted.length / 2) - 1];
  return upper === undefined || lower === undefined ? undefined : (lower + upper) / 2;
}

export function mean(values: readonly number[]): number | undefined {
  return values.length === 0 ? undefined : sum(values) / values.length;
}

export function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function ascending(values: readonly number[]): readonly number[] {
  return [...values].sort((a, b) => a - b);
}

function percentileOfSorted(sorted: readonly number[], share: number): number | undefined {
  const rank = Math.ceil(share * sorted.length);
  return sorted[Math.min(sorted.length, Math.max(1, rank)) - 1];
}
