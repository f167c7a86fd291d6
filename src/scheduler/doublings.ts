// Costs that are learned by size, one for each doubling: 1, 2 to 3, 4 to 7 and so on. NaN where nothing was seen yet.

/** Which of `doublings` a count falls into; the last one has no end. */
export function doublingOf(count: number, doublings: number): number {
  return Math.min(Math.floor(Math.log2(Math.max(count, 1))), doublings - 1);
}

/** The cost of this doubling or, where it is not known, of the nearest one that is; of two as near the smaller one's. */
export function nearestKnown(costs: Float64Array, doubling: number): number | undefined {
  for (let distance = 0; distance < costs.length; distance++) {
    for (const near of [doubling - distance, doubling + distance]) {
      const known = costs[near] ?? Number.NaN;
      if (!Number.isNaN(known)) return known;
    }
  }
  return undefined;
}
