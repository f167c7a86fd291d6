// Holds a device's draws of one row against the same row's logits on the host, before they are relied on.
// Why: the operations are common ones, but in few models together, and a device's kernel that differs in one of them would
// not fail: it would draw from another distribution.

import { must } from '../../assert.ts';
import type { SampleRow } from '../../kernel-port.ts';
import { mostLikely } from '../sampling/greedy.ts';
import { type TriedRow, tryRandom } from './walk.ts';

/** Of all weights: float32 sums of a whole vocabulary stay well below it. */
const tolerance = 1e-3;

export interface DrawnRow {
  readonly row: SampleRow;
  readonly likeliest: number | undefined;
  readonly tried: TriedRow | undefined;
}

/** What differs, in words; undefined where nothing does. `logits` has shape (vocabularySize,). */
export function findDifference(logits: Float32Array, { row, likeliest, tried }: DrawnRow): string | undefined {
  const best = mostLikely(logits);
  // Where several share the largest logit the device leaves the row to the host.
  const isShared = logits.indexOf(must(logits[best], 'a largest logit'), best + 1) >= 0;
  if (likeliest !== (isShared ? undefined : best)) return `the likeliest token is ${best}. Drawn: ${likeliest}`;
  if (tried === undefined) return 'random draws came without numbers';
  const largest = must(logits[best], 'a largest logit');
  const weights = Float64Array.from(logits, (logit) => Math.exp(logit - largest));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const differs = (found: number, expected: number) => !(Math.abs(found - expected) <= tolerance * total);
  if (differs(tried.total, total)) return `all weights are ${total}. Found: ${tried.total}`;
  const sharpened = Float64Array.from(logits, (logit) => Math.exp((logit - largest) / row.sampling.temperature));
  const sharpTotal = sharpened.reduce((sum, weight) => sum + weight, 0);
  for (const [attempt, { token, distance, weightAbove }] of tried.tries.entries()) {
    const logit = logits[token];
    if (logit === undefined || Math.abs(logit - largest - distance) > tolerance)
      return `token ${token} is ${(logit ?? Number.NaN) - largest} from the largest. Found: ${distance}`;
    const above = weights.reduce((sum, weight, other) => ((logits[other] ?? 0) > logit ? sum + weight : sum), 0);
    if (differs(weightAbove, above)) return `${above} lies above token ${token}. Found: ${weightAbove}`;
    const before = sharpened.subarray(0, token).reduce((sum, weight) => sum + weight, 0) / sharpTotal;
    const own = must(sharpened[token], 'a weight of each token') / sharpTotal;
    const random = tryRandom(row, attempt);
    if (random < before - tolerance || random > before + own + tolerance)
      return `${random} lies between the shares ${before} and ${before + own} of token ${token}`;
  }
  return undefined;
}
