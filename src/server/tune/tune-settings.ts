// Which of the server's settings a tuning run goes by, and takes as flags of its own.

import type { Settings } from '../settings-schema.ts';

export const tuneSettingNames = [
  'model',
  'weights',
  'imatrix',
  'weightsCache',
  'gpu',
  'gpuLayers',
  'threads',
  'batchThreads',
  'samplingThreads',
  'flashAttention',
  'kv',
  'kvLayout',
  'kvBlocks',
  'kvMemory',
  'blockTokens',
  'context',
  'pooling',
  'sequencesMax',
  'stepTokens',
  'microBatch',
  'drawing',
  'engineNice',
] as const satisfies readonly (keyof Settings)[];
