// OpenAI's `system_fingerprint`: changes whenever the numbers that a request gets may change.
// Why a function of the KV type: the gate may fall back to another one than was asked for, after the server listens.

import { createHash } from 'node:crypto';
import type { KvTypes } from '../kv-types.ts';
import type { WeightsChoice } from '../precision/weights.ts';
import { packageVersion } from './package-root.ts';
import type { Settings } from './settings-schema.ts';

export interface FingerprintParts {
  readonly release: string;
  readonly choice: WeightsChoice;
}

/** The fingerprint of these settings at a KV type; cheap enough for every request. */
export function createFingerprint(settings: Settings, { release, choice }: FingerprintParts): (kv: KvTypes) => string {
  const adapters = settings.lora.length === 0 ? [] : [settings.lora];
  const attention = settings.flashAttention === 'auto' ? [] : [settings.flashAttention];
  const weights = weightsFacts(choice);
  const facts = [
    packageVersion(),
    release,
    settings.model,
    weights,
    settings.gpu,
    settings.drawing,
    ...adapters,
    ...attention,
  ];
  return ({ k, v }) => {
    const digest = createHash('sha256')
      .update(JSON.stringify([facts, k, v]))
      .digest('hex');
    return `fp_${digest.slice(0, 12)}`;
  };
}

/** What the weights are: by name where the file is served as it is, else by every tensor's format and the steps before. */
export function weightsFacts(choice: WeightsChoice): unknown {
  if (choice.kind === 'file') return choice.label;
  const { weights, scaling } = choice.plan;
  return [weights.tensors.map(({ to }) => to), scaling?.steps];
}
