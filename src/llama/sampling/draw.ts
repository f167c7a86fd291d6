// Draws one token from one row of logits. Order of steps: top-k, typical, top-p, min-p, temperature, draw.
import type { SamplingParams } from '../../ports.ts';
import { uniform } from './uniform.ts';

/** The token drawn from logits, shape (vocabularySize,), for the draw's seed and position. */
export function drawToken(
  logits: Float32Array,
  sampling: SamplingParams,
  draw: { seed: number; position: number },
): number {
  if (sampling.temperature === 0) return argmax(logits);
  let kept = Array.from(logits, (logit, token) => ({ token, logit: Number.isNaN(logit) ? -Infinity : logit }));
  kept.sort((a, b) => b.logit - a.logit || a.token - b.token);
  if (sampling.topK > 0) kept = kept.slice(0, sampling.topK);
  const top = kept[0]?.logit ?? 0;
  const mass = (list: typeof kept, temperature: number) => {
    const weights = list.map(({ logit }) => Math.exp((logit - top) / temperature));
    const sum = weights.reduce((a, b) => a + b, 0);
    return weights.map((weight) => weight / sum);
  };
  if (sampling.topP < 1) {
    const shares = mass(kept, 1);
    let sum = 0;
    const count =
      shares.findIndex((share) => {
        sum += share;
        return sum >= sampling.topP;
      }) + 1;
    if (count > 0) kept = kept.slice(0, count);
  }
  if (sampling.minP > 0) kept = kept.filter(({ logit }) => logit >= top + Math.log(sampling.minP));
  const shares = mass(kept, sampling.temperature);
  let rest = uniform(draw.seed, draw.position);
  for (const [index, share] of shares.entries()) {
    rest -= share;
    if (rest < 0) return kept[index]?.token ?? 0;
  }
  return kept[0]?.token ?? 0;
}

function argmax(logits: Float32Array): number {
  let best = 0;
  let bestLogit = Number.NEGATIVE_INFINITY;
  for (let token = 0; token < logits.length; token++) {
    const logit = logits[token] ?? 0;
    if (logit > bestLogit) {
      bestLogit = logit;
      best = token;
    }
  }
  return best;
}
