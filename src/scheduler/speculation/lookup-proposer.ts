// Prompt lookup: what followed the last tokens where they stood before, in the prompt or in the output, follows them again.
// Why it serves quoting and editing: a summary that quotes and a file that is written again with changes are mostly copies.
// Source of the idea: prompt lookup decoding (A. Saxena, 2023), as in vLLM's ngram proposer and llama.cpp's lookup example.

import { must } from '../../assert.ts';
import { createGramIndex, type Match } from './gram-index.ts';
import type { GrowingTokens, Proposer } from './types.ts';

export interface LookupOptions {
  /** Shortest run of tokens that is looked up. */
  readonly matchTokensMin: number;
  /** Longest run that is told apart from shorter ones: the longer the match, the surer the guess. */
  readonly matchTokensMax: number;
  /** Newest tokens of a sequence that are searched. */
  readonly windowTokens: number;
}

/** A proposer that costs no computing worth mentioning: under a microsecond a token. */
export function createLookupProposer({ matchTokensMin, matchTokensMax, windowTokens }: LookupOptions): Proposer {
  const evidenceMax = matchTokensMax - matchTokensMin;
  return {
    evidenceLevels: evidenceMax + 1,
    follow() {
      const index = createGramIndex({ gramTokens: matchTokensMin, matchTokensMax, windowTokens });
      return {
        propose(sequence, countMax) {
          const match = index.find(sequence);
          if (match === undefined) return undefined;
          const evidence = match.length - matchTokensMin;
          const tokens = continuation(sequence, match, countMax);
          return { by: 'lookup', tokens, availableCount: Number.POSITIVE_INFINITY, evidence, evidenceMax };
        },
      };
    },
  };
}

/** What followed then; where that runs into the sequence's own end, it goes on with itself: a loop is guessed to go on. */
function continuation({ tokens, tokenCount }: GrowingTokens, { next }: Match, count: number): Int32Array {
  const period = tokenCount - next;
  const guessed = new Int32Array(count);
  for (let index = 0; index < count; index++) {
    guessed[index] = must(index < period ? tokens[next + index] : guessed[index - period], 'a token that followed');
  }
  return guessed;
}
