// Lookup and a draft model together: what is found again in the text is guessed where the match is long, the rest by the model.
// Why lookup first: it costs nothing, and of a long match it is right more often than a small model; of a short one it is not.

import type { Drafter, Proposer } from './types.ts';

export interface JoinedProposers {
  readonly proposer: Proposer;
  readonly drafter: Drafter;
}

/** `sureEvidence`: the least evidence for which the draft model need not compute. */
export function joinProposers(
  lookup: Proposer,
  draft: JoinedProposers,
  { sureEvidence }: { readonly sureEvidence: number },
): JoinedProposers {
  const evidence = lookup.evidenceLevels + draft.drafter.evidence;
  return {
    drafter: { ...draft.drafter, evidence },
    proposer: {
      evidenceLevels: lookup.evidenceLevels + draft.proposer.evidenceLevels,
      follow() {
        const found = lookup.follow();
        const guessed = draft.proposer.follow();
        return {
          propose(sequence, countMax) {
            const copy = found.propose(sequence, countMax);
            if (copy !== undefined && copy.evidence >= sureEvidence) return copy;
            const guess = guessed.propose(sequence, countMax);
            return guess === undefined ? copy : { ...guess, evidence };
          },
          isSure: (sequence) => (found.propose(sequence, 1)?.evidence ?? -1) >= sureEvidence,
        };
      },
    },
  };
}
