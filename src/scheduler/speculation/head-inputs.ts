// What a model's own multi-token head reads: beside each token the hidden state of the one before it, which the model left when it
// computed that.
//
//   row at position p   token p, state of token p - 1   ->   guess of token p + 1
//   row of a guess      the guess, and the head's own state of the row before
//
// Why its cache may begin anywhere: what the model found cached, or got back from host memory, it does not compute again, so the
// states of it never come. The head then attends to what was computed since. That can only make guesses worse, for each is checked.
// Why rows of guesses are computed again once they were drawn: a head has learned to read the model's states, and its own are a
// makeshift.
// Source: the order of tokens and states is that of llama.cpp's own driver (common/speculative.cpp of v0.5.0).

import { must } from '../../assert.ts';
import type { Kernel } from '../../kernel-port.ts';
import type { Sequence } from '../sequence.ts';
import { ownCount, type PlannedChunk } from '../step-plan.ts';
import { createKeptStates, type KeptStates } from './kept-states.ts';
import type { RowInputs } from './row-inputs.ts';
import type { DraftEntry, GrowingTokens } from './types.ts';

/** States that are kept of each sequence that runs: what a head reads of a prompt, and of output that nobody guessed in. */
export const statesKeptMax = 64;

/** `kernel`: the head's. */
export function createHeadInputs(kernel: Kernel): RowInputs {
  const { cellCount, batchTokensMax } = kernel.limits;
  const width = must(kernel.hidden, 'a head leaves states').width;
  const input = must(kernel.batch.states, 'a head reads states');
  const kept = new Map<GrowingTokens, { readonly sequence: Sequence; readonly states: KeptStates }>();
  const ownStates = new WeakMap<DraftEntry, Float32Array>();

  function statesOf(sequence: Sequence): KeptStates {
    const found = kept.get(sequence);
    if (found !== undefined) return found.states;
    const states = createKeptStates({ countMax: statesKeptMax, width });
    kept.set(sequence, { sequence, states });
    return states;
  }

  /** Those that wait again go, too: there may be any number of them, and memory was set aside for those that run. */
  function sweep(): void {
    for (const [key, { sequence }] of kept) if (sequence.state !== 'running') kept.delete(key);
  }

  return {
    keepsGuesses: false,
    spanMax: Math.max(cellCount - batchTokensMax, cellCount / 2),
    firstReadable(sequence) {
      const states = kept.get(sequence)?.states;
      const isWhole = states !== undefined && states.to() > states.from() && states.to() === sequence.tokenCount - 1;
      return isWhole ? states.from() + 1 : undefined;
    },
    write(row, { sequence, entry, position }) {
      const state =
        position < sequence.tokenCount
          ? must(kept.get(sequence), 'a sequence that is read has states').states.at(position - 1)
          : must(ownStates.get(entry), 'a guess before this one');
      input.set(state, row * width);
    },
    keep(row, entry) {
      const state = must(kernel.hidden?.row(row), 'an output row leaves its state');
      const own = ownStates.get(entry) ?? new Float32Array(width);
      own.set(state);
      ownStates.set(entry, own);
    },
    wantsAll: ({ chunks }) => chunks.some(readsEndOfPrompt),
    observe({ chunks }, { lastRows, hidden }) {
      // With each step: under load there may be neither a round nor a rest for hours.
      sweep();
      if (hidden === undefined) return;
      for (const [index, { sequence, from, count }] of chunks.entries()) {
        if (sequence.state !== 'running' || !mayBeGuessedFor(sequence)) continue;
        const firstRow = must(lastRows[index], 'one last row per chunk') - count + 1;
        const end = Math.min(from + count, sequence.computedCount);
        for (let position = Math.max(from, end - statesKeptMax); position < end; position++) {
          const state = hidden.row(firstRow + position - from);
          if (state !== undefined) statesOf(sequence).add(position, state);
        }
      }
    },
    sweep,
  };
}

/** Others take no guesses (plan-drafts.ts), or end before any could come true. */
function mayBeGuessedFor({ command }: Sequence): boolean {
  return command.grammar === undefined && command.outputTokensMax > 2;
}

/** Of a prompt's chunk the rows that are kept, beside its last one, which is an output anyway. */
function readsEndOfPrompt(chunk: PlannedChunk): boolean {
  const { sequence, from } = chunk;
  const count = ownCount(chunk);
  return count > 1 && from + count >= sequence.tokenCount - statesKeptMax && mayBeGuessedFor(sequence);
}
