// Log-probabilities of a decode's rows, read from its own logits: no second inference.
// Why rows are kept before drawing: bias, penalties and masks are written into the logits, and what is reported is the
// model's own opinion. Only rows whose log-probabilities are asked for are copied.

import { setImmediate } from 'node:timers/promises';
import type { ScoreRow } from '../../kernel-port.ts';
import type { TokenLogprobs } from '../../sampling-params.ts';
import { scoreToken } from './token-logprobs.ts';

export interface TokenScorer {
  /** Forgets what was kept: there are new logits. */
  restart(): void;
  keep(batchIndices: readonly number[]): void;
  /** Lets the event loop run in between when there are many rows. O(rows * vocabulary). */
  score(rows: readonly ScoreRow[]): Promise<readonly TokenLogprobs[]>;
}

/** Longest that rows are scored without letting commands in. */
const turnMsMax = 20;

/** `logitsOf`: the logits of a row of the last decode's batch, shape (vocabularySize,). */
export function createTokenScorer(logitsOf: (batchIndex: number) => Float32Array): TokenScorer {
  const kept = new Map<number, Float32Array>();
  /** Copies of earlier decodes, to be written over. */
  const spare: Float32Array[] = [];
  return {
    restart() {
      spare.push(...kept.values());
      kept.clear();
    },
    keep(batchIndices) {
      for (const batchIndex of batchIndices) {
        if (kept.has(batchIndex)) continue;
        const logits = logitsOf(batchIndex);
        const copy = spare.pop() ?? new Float32Array(logits.length);
        copy.set(logits);
        kept.set(batchIndex, copy);
      }
    },
    async score(rows) {
      const scores: TokenLogprobs[] = [];
      let turnStartedMs = performance.now();
      for (const row of rows) {
        if (performance.now() - turnStartedMs > turnMsMax) {
          await setImmediate();
          turnStartedMs = performance.now();
        }
        scores.push(scoreToken(kept.get(row.batchIndex) ?? logitsOf(row.batchIndex), row));
      }
      return scores;
    },
  };
}
