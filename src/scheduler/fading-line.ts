// A straight line fitted to a stream of points, older points fading: weighted least squares in five running sums.

export interface FadingLine {
  add(x: number, y: number): void;
  /** The line's value, or undefined before the first point. Falls back to the mean ratio when all x are alike. */
  at(x: number): number | undefined;
  /** How many units of x add as much as there is at 0; undefined while no rise can be told. */
  unitsAtZero(): number | undefined;
}

/** A line whose points weigh `decay` times less with each newer one. O(1) in time and space. */
export function createFadingLine(decay: number): FadingLine {
  let weight = 0;
  let sumX = 0;
  let sumY = 0;
  let sumXX = 0;
  let sumXY = 0;

  return {
    add(x, y) {
      weight = weight * decay + 1;
      sumX = sumX * decay + x;
      sumY = sumY * decay + y;
      sumXX = sumXX * decay + x * x;
      sumXY = sumXY * decay + x * y;
    },
    at(x) {
      if (weight === 0) return undefined;
      const meanX = sumX / weight;
      const meanY = sumY / weight;
      const variance = sumXX / weight - meanX * meanX;
      // Too little spread to tell a slope: the mean is the honest answer.
      if (variance <= 1e-3 * meanX * meanX + 1e-9) return meanY;
      const slope = (sumXY / weight - meanX * meanY) / variance;
      // Work never gets cheaper with more of it; a falling fit is noise.
      if (slope <= 0) return meanY;
      return Math.max(meanY + slope * (x - meanX), 0);
    },
    unitsAtZero() {
      if (weight === 0) return undefined;
      const meanX = sumX / weight;
      const meanY = sumY / weight;
      const variance = sumXX / weight - meanX * meanX;
      const slope = (sumXY / weight - meanX * meanY) / variance;
      // As above: no spread, or a fall, tells nothing.
      const isTold = variance > 1e-3 * meanX * meanX + 1e-9 && slope > 0;
      return isTold ? Math.max(meanY / slope - meanX, 0) : undefined;
    },
  };
}
