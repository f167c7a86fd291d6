// GET /v1/octet/precision: which number formats are served, and what the KV type loses against f16 KV.

import type { KvTypes } from '../kv-types.ts';
import type { CanaryNumbers, PrecisionStatus } from '../precision-status.ts';

export function precisionBody(model: string, status: PrecisionStatus) {
  const { weights, kv, kvWished, mode, verdict, reason, limits, numbers, isCached, climbed } = status;
  return {
    object: 'octet.precision',
    model,
    weights,
    kv: pairOf(kv),
    kv_requested: pairOf(kvWished),
    gate: {
      mode,
      verdict,
      reason,
      limits: { divergence_max: limits.divergenceMax, top_agreement_min: limits.agreementMin },
    },
    canary: numbers === undefined ? null : { ...canaryBody(numbers), cached: isCached },
    climbed: climbed.map((rung) => ({
      kv: pairOf(rung.kv),
      reason: rung.reason,
      canary: rung.numbers === undefined ? null : canaryBody(rung.numbers),
    })),
  };
}

function pairOf({ k, v }: KvTypes): { readonly k: string; readonly v: string } {
  return { k, v };
}

function canaryBody(numbers: CanaryNumbers) {
  const { divergence, flips } = numbers;
  return {
    reference: 'f16 KV on the same weights',
    tokens: numbers.tokenCount,
    tokens_planned: numbers.tokensPlanned,
    divergence: {
      mean: divergence.mean,
      standard_error: divergence.standardError,
      median: divergence.median,
      p99: divergence.p99,
      max: divergence.max,
    },
    top_agreement: numbers.topAgreement,
    flips: { gained: flips.gained, lost: flips.lost },
    perplexity: numbers.perplexity,
    reference_perplexity: numbers.referencePerplexity,
    seconds: numbers.seconds,
  };
}
