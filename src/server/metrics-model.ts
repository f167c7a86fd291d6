// Metrics of what is served: model, precision and KV layout, and what a tuning run's measurements promise of the two layouts.

import type { EngineCapacity } from '../capacity-port.ts';
import type { KvLayout } from '../kernel-port.ts';
import { gauge, type Sample, type Series } from './metrics-series.ts';

/** Read whenever they are asked for; without samples until an engine is ready. */
export function modelSeries(capacity: () => EngineCapacity | undefined, modelName: string): Series[] {
  return [
    gauge('octet_model_info', 'Always 1; what is served, in which precision, and what decided the KV layout.', {
      labelNames: ['model_name', 'kv_type_k', 'kv_type_v', 'gpu', 'prefix_sharing', 'kv_layout', 'kv_layout_basis'],
      read: () => served(capacity(), modelName),
    }),
    gauge(
      'octet_kv_layout_predicted_tokens_per_second',
      'Output tokens a second that octet tune predicts in each KV layout; absent where it measured none.',
      { labelNames: ['kv_layout'], read: () => predictedSpeeds(capacity()) },
    ),
  ];
}

function served(capacity: EngineCapacity | undefined, modelName: string): readonly Sample[] {
  if (capacity === undefined) return [];
  const { kvTypeK, kvTypeV, gpu, prefixSharing, kvLayout, kvLayoutChoice } = capacity;
  const labels = {
    model_name: modelName,
    kv_type_k: kvTypeK,
    kv_type_v: kvTypeV,
    gpu,
    prefix_sharing: prefixSharing.kind,
    kv_layout: kvLayout,
    kv_layout_basis: kvLayoutChoice?.basis ?? 'rule',
  };
  return [{ value: 1, labels }];
}

function predictedSpeeds(capacity: EngineCapacity | undefined): readonly Sample[] {
  const speeds = capacity?.kvLayoutChoice?.speeds;
  if (speeds === undefined) return [];
  return (['pooled', 'per-sequence'] as const satisfies readonly KvLayout[]).map((layout) => ({
    value: speeds[layout],
    labels: { kv_layout: layout },
  }));
}
