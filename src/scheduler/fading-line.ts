// A straight line fitted to a stream of points, older points fading: weighted least squares in five running sums.

export interface FadingLine {
  add(x: number, y: number): void;
  /** The line's value, or undefined before the first point. Falls back to the mean ratio when all x are alike. */
  at(x: number): number | undefined;
  /** What stays at x = 0 and what each x adds; undefined while the points do not tell the two apart. */
  parts(): { readonly base: number; readonly slope: number } | undefined;
}

/** A line whose points weigh `decay` times less with each newer one. O(1) in time and space. */
export function createFadingLine(decay: number): FadingLine {
  let weight = 0;
  let sumX = 0;
  let sumY = 0;
  let sumXX = 0;
  let sumXY = 0;

  /** Undefined where there is too little spread to tell a slope, or where it falls: work never gets cheaper with more of it. */
  function slopeOf(meanX: number, meanY: number): number | undefined {
    const variance = sumXX / weight - meanX * meanX;
    if (variance <= 1e-3 * meanX * meanX + 1e-9) return undefined;
    const slope = (sumXY / weight - meanX * meanY) / variance;
    return slope > 0 ? slope : undefined;
  }

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
      const slope = slopeOf(meanX, meanY);
      return slope === undefined ? meanY : Math.max(meanY + slope * (x - meanX), 0);
    },
    parts() {
      if (weight === 0) return undefined;
      const meanX = sumX / weight;
      const meanY = sumY / weight;
      const slope = slopeOf(meanX, meanY);
      return slope === undefined ? undefined : { base: Math.max(meanY - slope * meanX, 0), slope };
    },
  };
}
