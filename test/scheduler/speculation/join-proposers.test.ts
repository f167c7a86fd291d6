// Lookup and a draft model together: who guesses, when the draft model need not compute, and what is learned of who did not guess.

import { expect, test } from 'vitest';
import { joinProposers } from '../../../src/scheduler/speculation/join-proposers.ts';
import { createLookupProposer } from '../../../src/scheduler/speculation/lookup-proposer.ts';
import type { Proposal } from '../../../src/scheduler/speculation/types.ts';

/** The draft model guesses 9s, but knows nothing of texts that end in 8. */
const proposer = joinProposers(createLookupProposer({ matchTokensMin: 2, matchTokensMax: 6, windowTokens: 64 }), {
  evidenceLevels: 1,
  follow: () => ({
    propose({ tokens, tokenCount }, countMax) {
      if (tokens[tokenCount - 1] === 8) return undefined;
      return {
        by: 'draft',
        tokens: new Int32Array(countMax).fill(9),
        availableCount: 4,
        evidence: 0,
        evidenceMax: 0,
      };
    },
  }),
});

/** Copies are preferred from a match of four tokens on. */
const isPreferred = ({ evidence }: Proposal): boolean => evidence >= 2;

function ask(...text: readonly number[]) {
  const sequence = { tokens: Int32Array.from(text), tokenCount: text.length };
  const follower = proposer.follow(isPreferred);
  const proposal = follower.propose(sequence, 2);
  return {
    isSure: follower.isSure?.(sequence),
    by: proposal?.by,
    tokens: proposal && [...proposal.tokens],
    passedOver: proposal?.passedOver?.tokens[0],
  };
}

test('a copy that is preferred is what is guessed, and nobody need compute', () => {
  const asked = ask(1, 2, 3, 4, 5, 6, 1, 2, 3, 4);
  expect(asked).toEqual({ isSure: true, by: 'lookup', tokens: [5, 6], passedOver: undefined });
});

test('another one only where the draft model has no guess; else it is told beside that', () => {
  expect(ask(1, 2, 5, 6, 1, 2)).toEqual({ isSure: false, by: 'draft', tokens: [9, 9], passedOver: 5 });
  expect(ask(1, 8, 5, 6, 1, 8)).toEqual({ isSure: false, by: 'lookup', tokens: [5, 6], passedOver: undefined });
  expect(ask(1, 2, 3)).toEqual({ isSure: false, by: 'draft', tokens: [9, 9], passedOver: undefined });
  expect(proposer.evidenceLevels).toBe(5);
});
