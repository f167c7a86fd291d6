// The most likely token: one pass, the lowest id among equals.
// Why NaN needs no test of its own: it is never greater than anything, so it is treated as impossible.

/** Answers -1 when no logit is above -Infinity: the row is broken or everything was forbidden. */
export function mostLikely(logits: Float32Array): number {
  let best = -1;
  let bestLogit = Number.NEGATIVE_INFINITY;
  for (let token = 0; token < logits.length; token++) {
    const logit = logits[token] as number;
    if (logit > bestLogit) {
      bestLogit = logit;
      best = token;
    }
  }
  return best;
}
