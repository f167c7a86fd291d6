// Log-probabilities of a prompt: which rows of a step have them, within the rows that may have logits, each once.
//
//   prompt      0 1 2 .. s .. P-1      the row of token p tells of token p+1; the row of P-1 draws
//   scored      [1, s]                 sent already, also when they must be computed again
//   to score    rows [s, P-2]
//
// Why such a sequence is admitted without looking for a cached prefix: what is cached has no logits any more.

import { must } from '../assert.ts';
import { tokenId } from '../ids.ts';
import type { ScoreRow } from '../kernel-port.ts';
import type { TokenLogprobs } from '../sampling-params.ts';
import type { Sequence } from './sequence.ts';
import type { SchedulerState } from './state.ts';

/** Positions of a chunk whose rows are scored. */
export interface ScoredRun {
  readonly from: number;
  readonly count: number;
}

/** Whether log-probabilities of its prompt are still to be computed. */
export function hasUnscoredPrompt(sequence: Sequence): boolean {
  return sequence.scoresPrompt && sequence.promptScoredCount < promptLength(sequence) - 1;
}

function promptLength({ command }: Sequence): number {
  return command.tokens.length - command.generatedCount;
}

/** The rows to score if `count` tokens from `from` on are computed; undefined when there are none. */
export function scoredRun(sequence: Sequence, from: number, count: number): ScoredRun | undefined {
  if (!hasUnscoredPrompt(sequence)) return undefined;
  const first = Math.max(from, sequence.promptScoredCount);
  const end = Math.min(from + count, promptLength(sequence) - 1);
  return end > first ? { from: first, count: end - first } : undefined;
}

/** At most so many of `count` tokens that their scored rows are no more than `roomRows`. */
export function countWithinRows(sequence: Sequence, count: number, roomRows: number): number {
  const run = scoredRun(sequence, sequence.computedCount, count);
  if (run === undefined || run.count <= roomRows) return count;
  return run.from - sequence.computedCount + Math.max(roomRows, 0);
}

/** What is to be scored after a step, for one chunk. */
export interface PromptScoring {
  readonly sequence: Sequence;
  /** The first token that is scored. */
  readonly from: number;
  readonly rows: readonly ScoreRow[];
}

/** A run of a sequence's tokens that was computed, and what of it is scored. */
interface ComputedChunk {
  readonly sequence: Sequence;
  readonly from: number;
  readonly count: number;
  readonly scored?: ScoredRun | undefined;
}

/** The rows of a computed chunk; `lastRow` is the batch index of its last. */
export function promptScoringOf(chunk: ComputedChunk, lastRow: number): PromptScoring | undefined {
  const { sequence, scored } = chunk;
  if (scored === undefined) return undefined;
  const firstRow = lastRow - (chunk.count - 1) + (scored.from - chunk.from);
  const topCount = sequence.command.logprobs?.promptTopCount ?? 0;
  const rows = Array.from({ length: scored.count }, (_, index): ScoreRow => {
    const token = must(sequence.tokens[scored.from + index + 1], 'a scored row has a token after it');
    return { batchIndex: firstRow + index, token: tokenId(token), topCount };
  });
  return { sequence, from: scored.from + 1, rows };
}

/** Sends what was scored; `scores` has the rows of all scorings one after another. */
export function applyPromptScores(
  state: SchedulerState,
  scorings: readonly PromptScoring[],
  scores: readonly TokenLogprobs[],
): void {
  let offset = 0;
  for (const { sequence, from, rows } of scorings) {
    const logprobs = scores.slice(offset, offset + rows.length);
    offset += rows.length;
    // Cancelled while its rows were scored.
    if (sequence.state !== 'running') continue;
    sequence.promptScoredCount = from + rows.length - 1;
    state.events.push({ kind: 'prompt-logprobs', sequenceId: sequence.id, from, logprobs });
  }
}
