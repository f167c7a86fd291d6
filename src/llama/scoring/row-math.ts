// What evaluation asks of a row of logits: its normalizer and its first choice; of two rows, how far apart they are.
// Why a table of exponentials: Math.exp takes 10 ns, this 2.5 ns, and a vocabulary has 4,096 to 152,064 entries a row.
// Why both weights of a pair are computed in one pass: memory is read once, and nothing of a vocabulary's size is kept.

/** Steps of the table per unit: the rest below 1/256 needs two terms of its series, off by (1/256)^3 / 6 < 1e-8 of the weight. */
const stepsPerUnit = 256;
/** Weights at or beyond this distance from the largest logit count as nothing: 2^24 of them weigh less than a double can add. */
const distanceMax = 64;
/** e^(-n/256). Shape (distanceMax * stepsPerUnit,). */
const table = Float64Array.from({ length: distanceMax * stepsPerUnit }, (_, n) => Math.exp(-n / stepsPerUnit));

/** Numbers per row in the result of one kernel (`singleFields`) or two (`pairFields`). */
export const field = {
  /** Natural logarithm of the sum of e^logit: a token's log-probability is its logit minus this. */
  logSum: 0,
  topToken: 1,
  referenceLogSum: 2,
  referenceTopToken: 3,
  /** Kullback-Leibler divergence of the row from the reference, in nats. */
  divergence: 4,
  length: 5,
} as const;

/** Writes `logSum` and `topToken` of one row to `out` from `offset` on. O(vocabulary). */
export function surveyRow(logits: Float32Array, out: Float64Array, offset: number): void {
  const top = topOf(logits);
  const largest = logits[top] as number;
  let sum = 0;
  for (let token = 0; token < logits.length; token++) {
    const distance = largest - (logits[token] as number);
    // Also false for NaN, which must not pass for an ordinary row.
    if (distance < distanceMax) {
      const step = (distance * stepsPerUnit) | 0;
      const rest = distance - step / stepsPerUnit;
      sum += (table[step] as number) * (1 - rest * (1 - 0.5 * rest));
    } else if (!(distance >= distanceMax)) sum = Number.NaN;
  }
  out[offset + field.logSum] = largest + Math.log(sum);
  out[offset + field.topToken] = top;
}

/**
 * Writes all five fields for a row and its reference. The divergence is the mean, weighted by the reference, of the
 * difference of logits, plus the difference of the normalizers; rounding below zero is cut off. O(vocabulary).
 */
export function compareRows(
  { logits, reference }: { readonly logits: Float32Array; readonly reference: Float32Array },
  out: Float64Array,
  offset: number,
): void {
  const top = topOf(logits);
  const referenceTop = topOf(reference);
  const largest = logits[top] as number;
  const referenceLargest = reference[referenceTop] as number;
  let sum = 0;
  let referenceSum = 0;
  /** Of (reference distance - distance), weighted: distances are small where weights are large, so little is cancelled. */
  let weighted = 0;
  for (let token = 0; token < logits.length; token++) {
    const distance = largest - (logits[token] as number);
    const referenceDistance = referenceLargest - (reference[token] as number);
    if (distance < distanceMax) {
      const step = (distance * stepsPerUnit) | 0;
      const rest = distance - step / stepsPerUnit;
      sum += (table[step] as number) * (1 - rest * (1 - 0.5 * rest));
    } else if (!(distance >= distanceMax)) sum = Number.NaN;
    if (referenceDistance < distanceMax) {
      const step = (referenceDistance * stepsPerUnit) | 0;
      const rest = referenceDistance - step / stepsPerUnit;
      const weight = (table[step] as number) * (1 - rest * (1 - 0.5 * rest));
      referenceSum += weight;
      weighted += weight * (distance - referenceDistance);
    } else if (!(referenceDistance >= distanceMax)) referenceSum = Number.NaN;
  }
  out[offset + field.logSum] = largest + Math.log(sum);
  out[offset + field.topToken] = top;
  out[offset + field.referenceLogSum] = referenceLargest + Math.log(referenceSum);
  out[offset + field.referenceTopToken] = referenceTop;
  const divergence = weighted / referenceSum + Math.log(sum) - Math.log(referenceSum);
  out[offset + field.divergence] = Math.max(0, divergence);
}

/** The largest logit's token, the lowest id among equals; 0 when every logit is NaN. */
function topOf(logits: Float32Array): number {
  let top = 0;
  let largest = Number.NEGATIVE_INFINITY;
  for (let token = 0; token < logits.length; token++) {
    const logit = logits[token] as number;
    if (logit > largest) {
      largest = logit;
      top = token;
    }
  }
  return top;
}
