// Metrics of the precision gate: what the canary says of the served KV type, labelled by weights and KV type.
// Why labels: a fleet serves several precisions at once, and their numbers must not be mixed into one line.

import type { CanaryNumbers } from '../precision-status.ts';
import type { MetricsRecord } from './metrics-record.ts';
import { counter, gauge, type Labels, one, type Sample, type Series, type Source } from './metrics-series.ts';

const labelNames = ['weights', 'kv_type_k', 'kv_type_v'] as const;
const against = 'of the served KV type against f16 KV on the same weights, on the canary';

export function precisionSeries({ precision }: MetricsRecord): Series[] {
  const labelled = (extra: Labels = {}): Labels | undefined => {
    const { status } = precision;
    return status && { weights: status.weights, kv_type_k: status.kv.k, kv_type_v: status.kv.v, ...extra };
  };
  /** No line while nothing is measured: 0 would say "no loss". */
  const measured = (read: (numbers: CanaryNumbers) => number): Source => ({
    labelNames,
    read: () => sampleOf(labelled(), precision.status?.numbers, read),
  });
  const flips = (): readonly Sample[] => [
    ...sampleOf(labelled({ direction: 'gained' }), precision.status?.numbers, (numbers) => numbers.flips.gained),
    ...sampleOf(labelled({ direction: 'lost' }), precision.status?.numbers, (numbers) => numbers.flips.lost),
  ];
  const verdict = (): readonly Sample[] => {
    const { status } = precision;
    const labels = status && labelled({ mode: status.mode, verdict: status.verdict });
    return labels === undefined ? [] : [{ labels, value: 1 }];
  };
  return [
    gauge('octet_gate_info', 'Always 1; the mode of the precision gate and what it came to.', {
      labelNames: [...labelNames, 'mode', 'verdict'],
      read: verdict,
    }),
    gauge(
      'octet_gate_divergence_nats',
      `Mean KL divergence ${against}.`,
      measured(({ divergence }) => divergence.mean),
    ),
    gauge(
      'octet_gate_top_agreement_ratio',
      `Share of tokens with the same first choice, 0 to 1, ${against}.`,
      measured(({ topAgreement }) => topAgreement),
    ),
    gauge(
      'octet_gate_flips',
      `Tokens predicted right here alone (gained) or in the reference alone (lost), ${against}.`,
      {
        labelNames: [...labelNames, 'direction'],
        read: flips,
      },
    ),
    gauge(
      'octet_gate_tokens',
      'Tokens that the canary compared.',
      measured(({ tokenCount }) => tokenCount),
    ),
    counter(
      'octet_gate_failures_total',
      'Canaries that failed or found no time, so that a KV type is served unmeasured.',
      () => one(precision.obstacleCount),
    ),
  ];
}

function sampleOf(
  labels: Labels | undefined,
  numbers: CanaryNumbers | undefined,
  read: (numbers: CanaryNumbers) => number,
): readonly Sample[] {
  return labels === undefined || numbers === undefined ? [] : [{ labels, value: read(numbers) }];
}
