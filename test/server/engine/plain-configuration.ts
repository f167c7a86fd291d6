// An engine of the embedded model on one thread, nothing of which is special: tests say what they change.

import type { EngineConfiguration } from '../../../src/server/engine/engine-configuration.ts';
import { demoModelPath } from '../../precision/models.ts';

export const plainConfiguration: EngineConfiguration = {
  modelPath: demoModelPath,
  gpu: 'off',
  gpuLayers: -1,
  threads: 1,
  kvTypes: 'q8_0',
  kvLayout: 'auto',
  kvBlocks: 0,
  kvMemoryBytes: 0,
  blockTokens: 16,
  contextTokens: 0,
  sequencesMax: 2,
  stepTokensMax: 512,
  microBatchTokens: 256,
  itlTargetMs: 0,
  policy: 'fcfs',
  preemption: 'auto',
  parkBytesMax: 0,
  prefixBytesMax: 0,
  nice: 0,
  grammarTimeoutMs: 1000,
};
