// Costs that are learned by size, one for each doubling: 1, 2 to 3, 4 to 7 and so on. NaN where nothing was seen yet.

/** Which of `doublings` a count falls into; the last one has no end. */
export function doublingOf(count: number, doublings: number): number {
  return Math.min(Math.floor(Math.log2(Math.max(count, 1))), doublings - 1);
}

/** This doubling or, where its cost is not known, the nearest one whose cost is; of two as near the smaller one. */
export function nearestDoubling(costs: Float64Array, doubling: number): number | undefined {
  for (let distance = 0; distance < costs.length; distance++) {
    if (isKnown(costs, doubling - distance)) return doubling - distance;
    if (isKnown(costs, doubling + distance)) return doubling + distance;
  }
  return undefined;
}

/** The cost of this doubling, or of the nearest one whose cost is known. */
export function nearestKnown(costs: Float64Array, doubling: number): number | undefined {
  const nearest = nearestDoubling(costs, doubling);
  return nearest === undefined ? undefined : costs[nearest];
}

/** Within the bounds first: reading outside of a typed array makes the compiler allocate for each number read. */
function isKnown(costs: Float64Array, doubling: number): boolean {
  return doubling >= 0 && doubling < costs.length && !Number.isNaN(costs[doubling]);
}
