// Guesses by lookup: what followed before, for as long as asked, and a loop goes on as a loop.

import { describe, expect, it } from 'vitest';
import { createLookupProposer } from '../../../src/scheduler/speculation/lookup-proposer.ts';

const always = () => true;

function guess(tokens: readonly number[], countMax: number) {
  const proposer = createLookupProposer({ matchTokensMin: 2, matchTokensMax: 4, windowTokens: 1024 }).follow(always);
  const proposal = proposer.propose({ tokens: Int32Array.from(tokens), tokenCount: tokens.length }, countMax);
  return proposal === undefined ? undefined : { tokens: [...proposal.tokens], evidence: proposal.evidence };
}

describe('lookup proposer', () => {
  it('goes on as the text did where its end stood before', () => {
    expect(guess([1, 2, 3, 4, 5, 9, 1, 2], 3)).toEqual({ tokens: [3, 4, 5], evidence: 0 });
    expect(guess([8, 1, 2, 3, 4, 9, 8, 1, 2], 1)).toEqual({ tokens: [3], evidence: 1 });
  });

  it('prefers the longer match to the newer one, and the newer of equal ones', () => {
    expect(guess([7, 1, 2, 30, 5, 1, 2, 40, 7, 1, 2], 1)).toEqual({ tokens: [30], evidence: 1 });
    expect(guess([6, 1, 2, 30, 5, 1, 2, 40, 7, 1, 2], 1)).toEqual({ tokens: [40], evidence: 0 });
  });

  it('goes round a loop', () => {
    expect(guess([1, 2, 3, 1, 2, 3], 7)).toEqual({ tokens: [1, 2, 3, 1, 2, 3, 1], evidence: 1 });
    expect(guess([5, 5, 5, 5, 5, 5], 2)).toEqual({ tokens: [5, 5], evidence: 2 });
  });

  it('has no guess where nothing came before', () => {
    expect(guess([1, 2, 3, 4], 3)).toBeUndefined();
    expect(guess([1], 3)).toBeUndefined();
    expect(guess([1, 9, 2, 1], 3)).toBeUndefined();
  });

  it('keeps sequences apart', () => {
    const proposer = createLookupProposer({ matchTokensMin: 2, matchTokensMax: 4, windowTokens: 1024 });
    proposer.follow(always).propose({ tokens: Int32Array.of(1, 2, 3), tokenCount: 3 }, 2);
    expect(proposer.follow(always).propose({ tokens: Int32Array.of(1, 2), tokenCount: 2 }, 2)).toBeUndefined();
  });
});
