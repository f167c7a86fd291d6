// Metrics of keys and values in host memory: prefixes that made room in the cache, and every copy there and back.

import { copiesBy } from './metrics-engine.ts';
import type { MetricsRecord } from './metrics-record.ts';
import { counter, gauge, histogram, one, type Series } from './metrics-series.ts';

/** `octet_host_*`, and what copies add to steps. */
export function hostMemorySeries({ engine, steps }: MetricsRecord): Series[] {
  const kinds = 'by kind: preempted sequences that are parked and restored, prefixes that are demoted and promoted.';
  return [
    gauge('octet_host_prefixes', 'Prefixes in host memory that made room in the cache.', () =>
      one(engine.present.stats?.hostPrefixCount ?? 0),
    ),
    gauge('octet_host_prefix_bytes', 'Host memory of those prefixes.', () =>
      one(engine.present.stats?.hostPrefixBytes ?? 0),
    ),
    gauge('octet_host_prefix_bytes_max', 'Host memory that they may take at most.', () =>
      one(engine.present.capacity?.hostStates?.prefixBytesMax ?? 0),
    ),
    gauge('octet_parked_bytes_max', 'Host memory that preempted sequences may take at most.', () =>
      one(engine.present.capacity?.hostStates?.parkBytesMax ?? 0),
    ),
    counter(
      'octet_host_copies_total',
      `Copies between the cache and host memory, ${kinds}`,
      copiesBy(engine, ({ count }) => count),
    ),
    counter(
      'octet_host_copies_beside_steps_total',
      'Of those copies the ones made while steps ran.',
      copiesBy(engine, ({ besideCount }) => besideCount),
    ),
    counter(
      'octet_host_copy_tokens_total',
      'Tokens of those copies; of a promotion those that need no computing.',
      copiesBy(engine, ({ tokenCount }) => tokenCount),
    ),
    counter(
      'octet_host_copy_bytes_total',
      'Bytes of those copies.',
      copiesBy(engine, ({ byteCount }) => byteCount),
    ),
    counter(
      'octet_host_copy_seconds_total',
      'Time of those copies.',
      copiesBy(engine, ({ ms }) => ms / 1000),
    ),
    histogram('octet_step_copy_seconds', 'Time that such copies held up a step, of steps that had any.', steps.copies),
  ];
}
