// Scores rows of a kernel's last decode, alone or against the same rows of a reference kernel, on several threads.
// Why both kernels' logits are read where they lie: a row of 152,064 floats is 594 KiB, and a window has hundreds of rows;
// keeping the reference's would take gigabytes.

import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { assert } from '../../assert.ts';
import type { ScoreRow } from '../../kernel-port.ts';
import type { TokenLogprobs } from '../../sampling-params.ts';
import type { LogitsView } from '../logits-view.ts';
import {
  allocateRound,
  control,
  createRowViews,
  kind,
  type Round,
  readScore,
  scoreRows,
  topCountMax,
  viewRound,
} from './round.ts';
import { field } from './row-math.ts';

export interface RowScorerOptions {
  readonly vocabularySize: number;
  /** Most rows of one call. */
  readonly rowsMax: number;
  /** Threads besides the caller's. */
  readonly threadCount: number;
}

/** The logits of a kernel's last decode. */
export type DecodedLogits = Pick<LogitsView, 'address' | 'values' | 'rowOf'>;

export interface RowsToScore {
  readonly logits: DecodedLogits;
  /** Logits of the same batch by the reference; undefined scores `logits` alone. */
  readonly reference: DecodedLogits | undefined;
  /** Batch rows that were marked as output. */
  readonly batchIndices: readonly number[];
}

export interface RowScorer {
  /** Computes every row; the results, shape (rows, field.length), are valid until the next call. */
  score(rows: RowsToScore): Float64Array;
  /** Scores a token by each row; `topCount` is at most `topCountMax`. */
  scoreTokens(logits: DecodedLogits, rows: readonly ScoreRow[]): TokenLogprobs[];
  readonly threadCount: number;
  dispose(): Promise<void>;
}

export async function createRowScorer({ vocabularySize, rowsMax, threadCount }: RowScorerOptions): Promise<RowScorer> {
  const memory = allocateRound(rowsMax);
  const round = viewRound(memory);
  const views = createRowViews(round, vocabularySize);
  const threads = await startThreads(threadCount, { memory, vocabularySize });

  function compute(rows: RowsToScore, ofWhat: number): void {
    const { length: rowCount } = rows.batchIndices;
    assert(rowCount <= rowsMax, `at most ${rowsMax} rows are scored at once. Given: ${rowCount}`);
    if (rowCount === 0) return;
    writeRows(round, rows, vocabularySize);
    Atomics.store(round.control, control.kind, ofWhat);
    open(round, { rowCount, threadCount: threads.length });
    scoreRows(round, views);
    awaitThreads(round);
  }

  return {
    threadCount: threads.length,
    score(rows) {
      compute(rows, kind.rows);
      return round.results.subarray(0, rows.batchIndices.length * field.length);
    },
    scoreTokens(logits, rows) {
      rows.forEach(({ token, topCount }, row) => {
        assert(topCount <= topCountMax, `at most ${topCountMax} tokens are listed. Given: ${topCount}`);
        round.wishes[2 * row] = token;
        round.wishes[2 * row + 1] = Math.min(topCount, vocabularySize);
      });
      const batchIndices = rows.map(({ batchIndex }) => batchIndex);
      compute({ logits, reference: undefined, batchIndices }, kind.tokens);
      return rows.map((_, row) => readScore(round, row));
    },
    async dispose() {
      Atomics.store(round.control, control.stop, 1);
      Atomics.add(round.control, control.round, 1);
      Atomics.notify(round.control, control.round);
      await Promise.all(threads.map((thread) => thread.terminate()));
    },
  };
}

function writeRows(round: Round, { logits, reference, batchIndices }: RowsToScore, vocabularySize: number): void {
  round.sources[0] = logits.address();
  round.sources[1] = BigInt(logits.values().length / vocabularySize);
  round.sources[2] = reference?.address() ?? 0n;
  round.sources[3] = reference === undefined ? 0n : BigInt(reference.values().length / vocabularySize);
  batchIndices.forEach((batchIndex, row) => {
    round.rows[2 * row] = logits.rowOf(batchIndex);
    round.rows[2 * row + 1] = reference?.rowOf(batchIndex) ?? 0;
  });
}

function open({ control: words }: Round, counts: { readonly rowCount: number; readonly threadCount: number }): void {
  Atomics.store(words, control.rowCount, counts.rowCount);
  Atomics.store(words, control.nextRow, 0);
  Atomics.store(words, control.busyCount, counts.threadCount);
  Atomics.add(words, control.round, 1);
  Atomics.notify(words, control.round);
}

function awaitThreads({ control: words }: Round): void {
  for (;;) {
    const busy = Atomics.load(words, control.busyCount);
    if (busy === 0) return;
    Atomics.wait(words, control.busyCount, busy);
  }
}

/** Starts the threads; none when their program is not there (sources that were not built). */
async function startThreads(
  count: number,
  workerData: { readonly memory: SharedArrayBuffer; readonly vocabularySize: number },
): Promise<readonly Worker[]> {
  const program = import.meta.url.endsWith('.ts')
    ? new URL('../../../dist/src/llama/scoring/thread.js', import.meta.url)
    : new URL('./thread.js', import.meta.url);
  if (!existsSync(fileURLToPath(program))) return [];
  const threads = Array.from({ length: count }, () => new Worker(program, { workerData }));
  await Promise.all(threads.map(started)).catch(async (error) => {
    await Promise.all(threads.map((thread) => thread.terminate()));
    throw error;
  });
  return threads;
}

function started(thread: Worker): Promise<void> {
  return new Promise((resolve, reject) => {
    thread.once('error', reject);
    thread.once('message', () => {
      thread.unref();
      resolve();
    });
  });
}
