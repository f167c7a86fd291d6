// How likely a token is by a row of logits, and which tokens are likeliest: what the API reports as log-probabilities.
// Why two passes: the normalizer of row-math.ts is as fast as a pass can be; the second only compares.

import type { ScoreRow } from '../../kernel-port.ts';
import type { TokenLogprobs } from '../../sampling-params.ts';
import { field, surveyRow } from './row-math.ts';

const survey = new Float64Array(field.length);

/** The log-probability of `token` and of the likeliest tokens by logits of shape (vocabularySize,). O(vocabulary). */
export function scoreToken(
  logits: Float32Array,
  { token, topCount }: Pick<ScoreRow, 'token' | 'topCount'>,
): TokenLogprobs {
  surveyRow(logits, survey, 0);
  const logSum = survey[field.logSum] as number;
  const logit = logits[token] as number;
  const count = Math.min(topCount, logits.length);
  const topTokens = new Int32Array(count);
  const topLogits = new Float64Array(count);
  let found = 0;
  let greaterCount = 0;
  let bar = count === 0 ? Number.POSITIVE_INFINITY : Number.NEGATIVE_INFINITY;
  for (let candidate = 0; candidate < logits.length; candidate++) {
    const value = logits[candidate] as number;
    if (value > logit) greaterCount += 1;
    // Among equals the lower id came first and stays.
    if (!(value > bar) && found === count) continue;
    let place = Math.min(found, count - 1);
    for (; place > 0 && (topLogits[place - 1] as number) < value; place--) {
      topLogits[place] = topLogits[place - 1] as number;
      topTokens[place] = topTokens[place - 1] as number;
    }
    topLogits[place] = value;
    topTokens[place] = candidate;
    if (found < count) found += 1;
    if (found === count) bar = topLogits[count - 1] as number;
  }
  return {
    logprob: Math.fround(logit - logSum),
    rank: greaterCount + 1,
    topTokens,
    topLogprobs: Float32Array.from(topLogits, (value) => value - logSum),
  };
}
