// Canary numbers for tests: near lossless unless changed.

import type { CanaryNumbers, CanaryOutcome } from '../../../src/precision-status.ts';

export function numbersOf(mean: number, topAgreement = 0.97): CanaryNumbers {
  return {
    tokenCount: 3832,
    tokensPlanned: 3832,
    divergence: { mean, standardError: mean / 20, median: mean / 3, p99: mean * 10, max: mean * 50 },
    topAgreement,
    flips: { gained: 12, lost: 10 },
    perplexity: 20.1,
    referencePerplexity: 20,
    seconds: 2.5,
  };
}

export function measuredAt(mean: number, topAgreement = 0.97, gpu = 'off'): CanaryOutcome {
  return { kind: 'measured', numbers: numbersOf(mean, topAgreement), gpu };
}
