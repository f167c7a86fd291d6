// The tokens still in the running for one draw, in arrays that are allocated once per thread.
// Why parallel arrays in no particular order: selection needs only compare and sum; the draw itself walks them by id.

/** The first `count` entries are alive. Each array has shape (vocabularySize,). */
export interface Candidates {
  count: number;
  readonly tokens: Int32Array;
  readonly logits: Float32Array;
  /** Weight of each candidate at the step in progress. */
  readonly weights: Float64Array;
}

export function createCandidates(vocabularySize: number): Candidates {
  return {
    count: 0,
    tokens: new Int32Array(vocabularySize),
    logits: new Float32Array(vocabularySize),
    weights: new Float64Array(vocabularySize),
  };
}

/** Takes every token whose logit is at least `logitMin`, in order of id. */
export function gather(candidates: Candidates, logits: Float32Array, logitMin: number): void {
  gatherBetween(candidates, logits, { from: logitMin, to: Number.POSITIVE_INFINITY });
}

/** Takes every token whose logit is in the range, both ends included, in order of id. */
export function gatherBetween(
  candidates: Candidates,
  logits: Float32Array,
  { from, to }: { readonly from: number; readonly to: number },
): void {
  let count = 0;
  for (let token = 0; token < logits.length; token++) {
    const logit = logits[token] as number;
    if (logit >= from && logit <= to) {
      candidates.tokens[count] = token;
      candidates.logits[count] = logit;
      count += 1;
    }
  }
  candidates.count = count;
}

/** Keeps the candidates for which `keeps` holds, in the order they have. */
export function keepWhere(candidates: Candidates, keeps: (index: number) => boolean): void {
  const { tokens, logits, count } = candidates;
  let kept = 0;
  for (let index = 0; index < count; index++) {
    if (!keeps(index)) continue;
    tokens[kept] = tokens[index] as number;
    logits[kept] = logits[index] as number;
    kept += 1;
  }
  candidates.count = kept;
}

/** The largest logit alive. */
export function largestLogit({ logits, count }: Candidates): number {
  let largest = Number.NEGATIVE_INFINITY;
  for (let index = 0; index < count; index++) largest = Math.max(largest, logits[index] as number);
  return largest;
}
