// What the engine is told of a tuning run, once the gate has chosen the KV type.

import { expect, test } from 'vitest';
import type { KvTypes } from '../../src/kv-types.ts';
import { engineConfiguration } from '../../src/server/engine-settings.ts';
import { precisionBefore } from '../../src/server/serve-precision.ts';
import { loadSettings } from '../../src/server/settings.ts';

const shape = { rows: 1, ownCells: 1, sharedCells: 0, promptTokens: 0, promptDepth: 0, usedCells: 1, ms: [1] };
const evidence = {
  load: { streams: 1, promptTokens: 1, outputTokens: 1, sharedTokens: 0 },
  noise: 0.01,
  steps: { pooled: [shape], 'per-sequence': [shape] },
};

test('what was measured of the layouts holds for the KV type that was asked for, and for no other', () => {
  const loaded = loadSettings({ argv: ['serve', '--kv', 'q8_0'], env: {} });
  if (loaded.kind !== 'settings') return expect.fail(JSON.stringify(loaded));
  const { settings } = loaded;
  const evidenceWith = (kv: KvTypes) => {
    const precision = { ...precisionBefore(settings, 'f16'), kv };
    const served = { modelPath: 'm', adapters: [], draftPath: undefined, precision, isEncoder: false };
    return engineConfiguration(settings, served, evidence).layoutEvidence;
  };
  expect(evidenceWith({ k: 'q8_0', v: 'q8_0' })).toBe(evidence);
  expect(evidenceWith({ k: 'f16', v: 'f16' })).toBeUndefined();
});
