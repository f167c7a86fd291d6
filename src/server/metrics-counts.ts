// Counts by the value of one label.

/** All at zero: label values that are known beforehand are there from the start, so that rates begin at zero. */
export function zeroCounts(keys: readonly string[]): Map<string, number> {
  return new Map(keys.map((key) => [key, 0]));
}

export function increment(counts: Map<string, number>, key: string, by = 1): void {
  counts.set(key, (counts.get(key) ?? 0) + by);
}
