import { describe, expect, it } from 'vitest';
import { createAdmission } from '../../src/scheduler/admission.ts';

const limits = { waitingSequencesMax: 3, waitingTokensMax: 100, contextTokensMax: 64 };
const small = { sequenceCount: 1, promptTokenCount: 10, outputTokensMax: 10 };

describe('admission', () => {
  it('refuses what can never fit, with both numbers', () => {
    const refused = createAdmission(limits).admit({ sequenceCount: 1, promptTokenCount: 60, outputTokensMax: 5 });
    expect(refused?.code).toBe('context_length_exceeded');
    expect(refused?.message).toContain('64');
    expect(refused?.message).toContain('65');
  });

  it('bounds the queue in sequences and in tokens, and opens again when something leaves', () => {
    const admission = createAdmission(limits);
    for (let count = 0; count < 3; count++) expect(admission.admit(small)).toBeUndefined();
    expect(admission.admit(small)?.code).toBe('queue_full');
    admission.leave(10, 0);
    expect(admission.admit(small)).toBeUndefined();

    const byTokens = createAdmission({ ...limits, waitingSequencesMax: 1000 });
    for (let count = 0; count < 2; count++) {
      expect(byTokens.admit({ sequenceCount: 1, promptTokenCount: 50, outputTokensMax: 1 })).toBeUndefined();
    }
    expect(byTokens.admit(small)?.message).toContain('the limit is 100');
  });

  it('counts every choice of a request', () => {
    const admission = createAdmission(limits);
    expect(admission.admit({ ...small, sequenceCount: 4 })?.code).toBe('queue_full');
    expect(admission.admit({ ...small, sequenceCount: 3 })).toBeUndefined();
    expect(admission.waitingTokenCount).toBe(30);
  });

  it('tells when to come back from the measured drain rate', () => {
    const admission = createAdmission({ ...limits, waitingSequencesMax: 40, waitingTokensMax: 10_000 });
    for (let count = 0; count < 40; count++) admission.admit(small);
    for (let count = 0; count < 20; count++) {
      admission.leave(10, count * 500);
      admission.admit(small);
    }
    // 40 wait, one leaves every half second.
    expect(admission.admit(small)?.retryAfterSeconds).toBe(20);
  });
});
