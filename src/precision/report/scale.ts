// Axes: from numbers to places, and the numbers worth a mark.

export interface Scale {
  /** Place of a value. */
  readonly at: (value: number) => number;
  readonly marks: readonly number[];
}

export interface ScaleOptions {
  /** Places of the lowest and the highest value. */
  readonly from: number;
  readonly to: number;
  readonly kind: 'linear' | 'log';
  /** Marks wanted, about. */
  readonly markCount?: number;
}

/** An axis that holds all values with a margin; a linear one of values above 0 starts at or above 0. */
export function createScale(values: readonly number[], options: ScaleOptions): Scale {
  const low = Math.min(...values);
  const high = Math.max(...values);
  return options.kind === 'log' ? logScale(low, high, options) : linearScale(low, high, options);
}

function linearScale(low: number, high: number, { from, to, markCount = 5 }: ScaleOptions): Scale {
  // Values that differ by rounding alone are one value: marks between them could not be told apart.
  const span = high - low > 1e-9 * Math.abs(high) ? high - low : Math.abs(high) || 1;
  const margin = span * 0.12;
  const first = low >= 0 ? Math.max(0, low - margin) : low - margin;
  const last = high + margin;
  const step = niceStep((last - first) / markCount);
  const firstStep = Math.ceil(first / step);
  const count = Math.max(0, Math.floor(last / step + 1e-9) - firstStep + 1);
  const marks = Array.from({ length: count }, (_, index) => roundTo((firstStep + index) * step, step));
  return { at: (value) => from + ((value - first) / (last - first)) * (to - from), marks };
}

function logScale(low: number, high: number, { from, to }: ScaleOptions): Scale {
  const first = Math.log10(low) - 0.15;
  const last = Math.log10(high) + 0.15;
  const decades = last - first;
  const digits = decades > 3 ? [1] : decades > 1.2 ? [1, 3] : [1, 2, 3, 5, 7];
  const marks: number[] = [];
  for (let power = Math.floor(first); power <= Math.ceil(last); power++)
    for (const digit of digits) {
      const mark = digit * 10 ** power;
      if (Math.log10(mark) >= first && Math.log10(mark) <= last) marks.push(Number(mark.toPrecision(1)));
    }
  return { at: (value) => from + ((Math.log10(value) - first) / decades) * (to - from), marks };
}

/** 1, 2 or 5 times a power of ten. */
function niceStep(rough: number): number {
  const power = 10 ** Math.floor(Math.log10(rough));
  const digit = rough / power;
  return (digit <= 1 ? 1 : digit <= 2 ? 2 : digit <= 5 ? 5 : 10) * power;
}

function roundTo(value: number, step: number): number {
  const digits = Math.min(100, Math.max(0, 1 - Math.floor(Math.log10(step))));
  return Number(value.toFixed(digits));
}
