// An engine in this process with as little as it can have: one thread, steps of 512 tokens, nothing parked.
// Why here: measurements and tests that care about one setting each would otherwise repeat all of them.

import type { EngineConfiguration } from '../src/server/engine/engine-configuration.ts';

export const plainEngine = {
  gpu: 'off',
  gpuLayers: 0,
  threads: 1,
  kvTypes: 'f16',
  kvLayout: 'auto',
  kvBlocks: 0,
  kvMemoryBytes: 0,
  blockTokens: 16,
  contextTokens: 0,
  sequencesMax: 1,
  stepTokensMax: 512,
  microBatchTokens: 512,
  itlTargetMs: 0,
  policy: 'fcfs',
  preemption: 'auto',
  parkBytesMax: 0,
  prefixBytesMax: 0,
  grammarTimeoutMs: 10_000,
  nice: 0,
} as const satisfies Omit<EngineConfiguration, 'modelPath'>;
