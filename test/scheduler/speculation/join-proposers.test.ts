// Lookup and a draft model together: who guesses, and when the draft model need not compute.

import { expect, test } from 'vitest';
import { joinProposers } from '../../../src/scheduler/speculation/join-proposers.ts';
import { createLookupProposer } from '../../../src/scheduler/speculation/lookup-proposer.ts';
import type { Drafter } from '../../../src/scheduler/speculation/types.ts';

const drafter: Drafter = {
  costs: { guessMs: () => 1, readMs: () => 1 },
  tokensMax: 100,
  sequencesMax: 4,
  readTokensMax: 16,
  evidence: 0,
  missingCount: () => 0,
  isOff: () => false,
};

/** The draft model guesses 9s, but knows nothing of texts that end in 8. */
const { proposer, drafter: joined } = joinProposers(
  createLookupProposer({ matchTokensMin: 2, matchTokensMax: 6, windowTokens: 64 }),
  {
    drafter,
    proposer: {
      evidenceLevels: 1,
      follow: () => ({
        propose: ({ tokens, tokenCount }, countMax) =>
          tokens[tokenCount - 1] === 8
            ? undefined
            : { by: 'draft', tokens: new Int32Array(countMax).fill(9), evidence: 0 },
      }),
    },
  },
  { sureEvidence: 2 },
);

function ask(...text: readonly number[]) {
  const sequence = { tokens: Int32Array.from(text), tokenCount: text.length };
  const follower = proposer.follow();
  const proposal = follower.propose(sequence, 2);
  return { isSure: follower.isSure?.(sequence), proposal: proposal && { ...proposal, tokens: [...proposal.tokens] } };
}

test('a long match is what is guessed, and nobody need compute', () => {
  expect(ask(1, 2, 3, 4, 5, 6, 1, 2, 3, 4)).toEqual({
    isSure: true,
    proposal: { by: 'lookup', tokens: [5, 6], evidence: 2 },
  });
});

test('a short one only where the draft model has no guess', () => {
  expect(ask(1, 2, 5, 6, 1, 2)).toEqual({ isSure: false, proposal: { by: 'draft', tokens: [9, 9], evidence: 5 } });
  expect(ask(1, 8, 5, 6, 1, 8)).toEqual({ isSure: false, proposal: { by: 'lookup', tokens: [5, 6], evidence: 0 } });
  expect(ask(1, 2, 3)).toEqual({ isSure: false, proposal: { by: 'draft', tokens: [9, 9], evidence: 5 } });
  expect([proposer.evidenceLevels, joined.evidence]).toEqual([6, 5]);
});
