// Percentiles of millions of values in constant memory: buckets that grow by 2 %, so a percentile is off by at most 1 %.

export interface LogHistogram {
  add(value: number): void;
  /** The value that at least `share` of the values do not exceed; undefined when there are none. */
  percentile(share: number): number | undefined;
}

const growth = Math.log(1.02);
const smallest = 1e-3;
const bucketCount = 1500;

export function createLogHistogram(): LogHistogram {
  const counts = new Float64Array(bucketCount);
  let total = 0;
  return {
    add(value) {
      const bucket = value <= smallest ? 0 : Math.min(Math.ceil(Math.log(value / smallest) / growth), bucketCount - 1);
      counts[bucket] = (counts[bucket] ?? 0) + 1;
      total += 1;
    },
    percentile(share) {
      let left = Math.ceil(share * total);
      if (left === 0) return undefined;
      for (const [bucket, count] of counts.entries()) {
        left -= count;
        // The middle of the bucket, in logarithms.
        if (left <= 0) return smallest * Math.exp((bucket - 0.5) * growth);
      }
      return undefined;
    },
  };
}
