// Costs that explain measured times best: least squares without negative costs.
// Why dropped one by one: with less than ten unknowns that is exact enough, and a cost that comes out below nothing is noise
// around none at all.

export interface Observation {
  /** Shape (unknowns,): how much of each there is. */
  readonly amounts: readonly number[];
  /** Above 0. */
  readonly value: number;
}

/** Of the scale of the sums: decides between unknowns that the observations cannot tell apart, and shows nowhere else. */
const ridge = 1e-10;

/** The unknowns, none below 0, by the relative error of each observation; NaN where values overflow. Shape (unknowns,). O(unknowns^4). */
export function fitNonNegative(observations: readonly Observation[]): readonly number[] {
  const unknownCount = observations[0]?.amounts.length ?? 0;
  const shares = observations.map(({ amounts, value }) => amounts.map((amount) => amount / value));
  const scales = range(unknownCount).map((column) => Math.hypot(...shares.map((row) => row[column] ?? 0)));
  let active = range(unknownCount).filter((column) => (scales[column] ?? 0) > 0);
  for (;;) {
    const scaled = shares.map((row) => active.map((column) => (row[column] ?? 0) / (scales[column] ?? 1)));
    const found = solveNormal(scaled, active.length);
    const least = Math.min(0, ...found);
    // So that also times so near to nothing that no number comes of them come to an end.
    if (!(least < 0)) {
      const result = new Array<number>(unknownCount).fill(0);
      for (const [index, column] of active.entries()) result[column] = (found[index] ?? 0) / (scales[column] ?? 1);
      return result;
    }
    active = active.filter((_, index) => found[index] !== least);
  }
}

/** Solves for what makes every row's sum 1, as nearly as it can be. */
function solveNormal(rows: readonly (readonly number[])[], count: number): number[] {
  const matrix = range(count).map((i) => [
    ...range(count).map((j) => sumOf(rows, (row) => (row[i] ?? 0) * (row[j] ?? 0)) + (i === j ? ridge : 0)),
    sumOf(rows, (row) => row[i] ?? 0),
  ]);
  for (let pivot = 0; pivot < count; pivot++) eliminate(matrix, pivot);
  return matrix.map((row, index) => (row[count] ?? 0) / (row[index] ?? 1));
}

/** Takes an unknown out of all other equations; the matrix is positive definite, so no rows change places. */
function eliminate(matrix: number[][], pivot: number): void {
  const from = matrix[pivot] ?? [];
  for (const [index, row] of matrix.entries()) {
    if (index === pivot) continue;
    const factor = (row[pivot] ?? 0) / (from[pivot] ?? 1);
    for (let column = pivot; column < row.length; column++)
      row[column] = (row[column] ?? 0) - factor * (from[column] ?? 0);
  }
}

function sumOf<Item>(items: readonly Item[], of: (item: Item) => number): number {
  return items.reduce((sum, item) => sum + of(item), 0);
}

function range(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index);
}
