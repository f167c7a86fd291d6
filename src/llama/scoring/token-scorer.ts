// Log-probabilities of a decode's rows, read from its own logits: no second inference.
// Why rows are kept before drawing: bias, penalties and masks are written into the logits, and what is reported is the
// model's own opinion. Only rows whose log-probabilities are asked for are copied.
// Why threads for many rows: the next step waits for them. A row of 4,096 tokens takes 20 microseconds and more, one of
// 152,064 a millisecond, and a step that reads a scored prompt has hundreds.

import { setImmediate } from 'node:timers/promises';
import type { ScoreRow } from '../../kernel-port.ts';
import type { TokenLogprobs } from '../../sampling-params.ts';
import { topCountMax } from './round.ts';
import { createRowScorer, type DecodedLogits, type RowScorer } from './row-scorer.ts';
import { scoreToken } from './token-logprobs.ts';

export interface TokenScorer {
  /** Forgets what was kept: there are new logits. */
  restart(): void;
  keep(batchIndices: readonly number[]): void;
  /** Lets the event loop run in between when there are many rows. O(rows * vocabulary). */
  score(rows: readonly ScoreRow[]): Promise<readonly TokenLogprobs[]>;
  dispose(): void;
}

export interface TokenScorerOptions {
  /** The last decode's, and a row of its batch, shape (vocabularySize,). */
  readonly logits: DecodedLogits;
  readonly logitsOf: (batchIndex: number) => Float32Array;
  readonly vocabularySize: number;
  /** Most rows of one decode. */
  readonly rowsMax: number;
  /** Threads besides the caller's, started when they are first worth it. */
  readonly threadCount: number;
}

/** Longest that rows are scored without letting commands in. */
const turnMsMax = 20;
/** Estimated work from which threads are faster than this thread alone: they have to be woken. */
const parallelMsMin = 2;
/** Measured on one core of 2.5 GHz, with five likeliest tokens. */
const nanosecondsPerLogit = 6;

export function createTokenScorer(options: TokenScorerOptions): TokenScorer {
  const { logits, logitsOf, vocabularySize, rowsMax, threadCount } = options;
  const rowMs = (nanosecondsPerLogit * vocabularySize) / 1e6;
  const kept = new Map<number, Float32Array>();
  /** Copies of earlier decodes, to be written over. */
  const spare: Float32Array[] = [];
  let threads: Promise<RowScorer> | undefined;

  /** Kept rows are copies that no other thread sees. */
  function isShareable({ batchIndex, topCount }: ScoreRow): boolean {
    return !kept.has(batchIndex) && topCount <= topCountMax;
  }

  async function scoreOnThreads(rows: readonly ScoreRow[]): Promise<TokenLogprobs[]> {
    threads ??= createRowScorer({ vocabularySize, rowsMax, threadCount });
    const scorer = await threads;
    const turnRows = Math.max(1, Math.floor((turnMsMax * (scorer.threadCount + 1)) / rowMs));
    const scores: TokenLogprobs[] = [];
    for (let from = 0; from < rows.length; from += turnRows) {
      if (from > 0) await setImmediate();
      scores.push(...scorer.scoreTokens(logits, rows.slice(from, from + turnRows)));
    }
    return scores;
  }

  async function scoreHere(rows: readonly ScoreRow[]): Promise<TokenLogprobs[]> {
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
  }

  return {
    restart() {
      spare.push(...kept.values());
      kept.clear();
    },
    keep(batchIndices) {
      for (const batchIndex of batchIndices) {
        if (kept.has(batchIndex)) continue;
        const row = logitsOf(batchIndex);
        const copy = spare.pop() ?? new Float32Array(row.length);
        copy.set(row);
        kept.set(batchIndex, copy);
      }
    },
    async score(rows) {
      const isLong = threadCount > 0 && rows.length <= rowsMax && rows.length * rowMs >= parallelMsMin;
      return isLong && rows.every(isShareable) ? scoreOnThreads(rows) : scoreHere(rows);
    },
    dispose() {
      void threads?.then((scorer) => scorer.dispose());
    },
  };
}
