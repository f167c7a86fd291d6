// Whether the canary's numbers are within the limits, and the sentences that say so. Pure.

import type { KvTypes } from '../../kv-types.ts';
import type { CanaryNumbers, CanaryOutcome, GateLimits } from '../../precision-status.ts';
import { kvName } from '../evaluate/cells.ts';

/** What the numbers break; none when they are within the limits. */
export function excessesOf(numbers: CanaryNumbers, { divergenceMax, agreementMin }: GateLimits): string[] {
  const { divergence, topAgreement } = numbers;
  const excesses: string[] = [];
  // Written so that numbers that are none are beyond the limit.
  if (!(divergence.mean <= divergenceMax))
    excesses.push(`the mean divergence must be at most ${divergenceMax} nats. Measured: ${divergence.mean.toFixed(4)}`);
  if (!(topAgreement >= agreementMin))
    excesses.push(`the top-1 agreement must be at least ${percent(agreementMin)}. Measured: ${percent(topAgreement)}`);
  return excesses;
}

/** `KL 0.0033 ± 0.0002 nats, top-1 agreement 96.8 %, flips +12 -10 of 3,832 tokens`. */
export function canaryText({ divergence, topAgreement, flips, tokenCount, tokensPlanned }: CanaryNumbers): string {
  const early = tokenCount < tokensPlanned ? ` (time for ${count(tokenCount)} of ${count(tokensPlanned)})` : '';
  return (
    `KL ${divergence.mean.toFixed(4)} ± ${divergence.standardError.toFixed(4)} nats, ` +
    `top-1 agreement ${percent(topAgreement)}, flips +${flips.gained} -${flips.lost} of ${count(tokenCount)} tokens${early}`
  );
}

export function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

function count(value: number): string {
  return value.toLocaleString('en-US');
}

/** Why there are no numbers. */
export function obstacleText(outcome: Exclude<CanaryOutcome, { readonly kind: 'measured' }>): string {
  switch (outcome.kind) {
    case 'not-needed':
      return outcome.reason;
    case 'skipped':
      return `the canary was skipped: ${outcome.reason}. --gate-seconds allows more time`;
    case 'failed':
      return `the canary failed: ${outcome.reason}`;
  }
}

/** What an operator can do about a KV type that is refused. */
export function remedies(kv: KvTypes, evaluation: string): string {
  return [
    `--kv with a finer type than ${kvName(kv)}`,
    '--gate fallback, which climbs to one',
    `--accept-evaluation report.json with a report that passes, made by: ${evaluation}`,
    '--gate off, at your own risk',
  ].join('; or ');
}
