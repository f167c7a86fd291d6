// OpenAI's `system_fingerprint`: changes whenever the numbers that a request gets may change.
// Why a function of what is in use: the gate may fall back to another KV type than was asked for, and where tokens are
// computed and drawn is known once the engine has loaded, after the server listens.

import { createHash } from 'node:crypto';
import type { EngineCapacity } from '../capacity-port.ts';
import type { KvTypes } from '../kv-types.ts';
import type { WeightsChoice } from '../precision/weights.ts';
import { packageVersion } from './package-root.ts';
import type { Settings } from './settings-schema.ts';

export interface FingerprintParts {
  readonly release: string;
  readonly choice: WeightsChoice;
}

/** What an engine really uses, whatever was asked for. */
export interface InUse {
  readonly kv: KvTypes;
  /** Undefined while no engine has loaded: then nothing is answered. */
  readonly capacity: Pick<EngineCapacity, 'gpu' | 'drawing'> | undefined;
}

/** The fingerprint of these settings with what is in use; cheap enough for every request. */
export function createFingerprint(settings: Settings, { release, choice }: FingerprintParts): (used: InUse) => string {
  const adapters = settings.lora.length === 0 ? [] : [settings.lora];
  const attention = settings.flashAttention === 'auto' ? [] : [settings.flashAttention];
  const facts = [packageVersion(), release, settings.model, weightsFacts(choice), ...adapters, ...attention];
  return ({ kv: { k, v }, capacity }) => {
    const digest = createHash('sha256')
      .update(JSON.stringify([facts, capacity?.gpu, capacity?.drawing?.place, k, v]))
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
