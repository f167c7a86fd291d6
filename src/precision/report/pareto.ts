// The Pareto front: cells that no other cell beats in one measure without losing in the other.

export interface Point {
  readonly x: number;
  readonly y: number;
}

export interface Directions {
  readonly x: 'more' | 'less';
  readonly y: 'more' | 'less';
}

/** Which points are on the front, where `more` or `less` says what is better. Equal points are on it together. O(n^2). */
export function paretoFront<P extends Point>(points: readonly P[], better: Directions): readonly P[] {
  const gain = (value: number, direction: 'more' | 'less') => (direction === 'more' ? value : -value);
  const dominates = (a: Point, b: Point) => {
    const [dx, dy] = [gain(a.x, better.x) - gain(b.x, better.x), gain(a.y, better.y) - gain(b.y, better.y)];
    return dx >= 0 && dy >= 0 && (dx > 0 || dy > 0);
  };
  return points.filter((point) => !points.some((other) => dominates(other, point)));
}
