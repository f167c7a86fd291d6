// Lookup and a draft model together: what is found again in the text is guessed where that is thought to come true at least as
// often as what the model would guess, the rest by the model.
// Why lookup first: it costs nothing. Why it is held against what is drawn also where the model guesses: otherwise it would be
// judged for good by what it came to before.

import type { Proposer } from './types.ts';

export function joinProposers(lookup: Proposer, draft: Proposer): Proposer {
  return {
    evidenceLevels: Math.max(lookup.evidenceLevels, draft.evidenceLevels),
    follow(isPreferred) {
      const found = lookup.follow(isPreferred);
      const guessed = draft.follow(isPreferred);
      return {
        propose(sequence, countMax) {
          const copy = found.propose(sequence, countMax);
          if (copy !== undefined && isPreferred(copy)) return copy;
          const guess = guessed.propose(sequence, countMax);
          return guess === undefined ? copy : { ...guess, passedOver: copy };
        },
        isSure(sequence) {
          const copy = found.propose(sequence, 1);
          return copy !== undefined && isPreferred(copy);
        },
      };
    },
  };
}
