// From the settings and the model to the sizes of context, cache and batch.

import { availableParallelism } from 'node:os';
import type { KernelOptions } from '../../llama/kernel.ts';
import { isKvType, type KvTypePair, kvTypeBytes } from '../../llama/kv-types.ts';
import type { LlamaModel } from '../../llama/model.ts';
import { prefixSharing } from '../../llama/model-shape.ts';
import type { KvLayout } from '../../ports.ts';
import type { EngineConfiguration } from './engine-configuration.ts';

export interface Sizes {
  readonly kernel: Omit<KernelOptions, 'model'>;
  readonly contextTokensMax: number;
  readonly blockTokens: number;
  readonly kvTypes: KvTypePair;
  readonly kvBytesPerToken: number;
}

export function planSizes(configuration: EngineConfiguration, model: LlamaModel): Sizes {
  const { shape } = model;
  const kvTypes = readKvTypes(configuration.kvTypes);
  const contextTokensMax = configuration.contextTokens || shape.contextTokensTrained;
  const kvBytesPerToken =
    shape.layerCount *
    shape.kvHeadCount *
    (kvTypeBytes(kvTypes.k, shape.headSizeK) + kvTypeBytes(kvTypes.v, shape.headSizeV));
  const wanted = configuration.kvBlocks * configuration.blockTokens || configuration.sequencesMax * contextTokensMax;
  return {
    kernel: {
      layout: chooseLayout(configuration, model),
      cellCount: Math.ceil(wanted / 256) * 256,
      sequencesMax: configuration.sequencesMax,
      batchTokensMax: configuration.stepTokensMax,
      microBatchTokens: configuration.microBatchTokens,
      kvTypes,
      threads: configuration.threads || availableParallelism(),
    },
    contextTokensMax,
    blockTokens: configuration.blockTokens,
    kvTypes,
    kvBytesPerToken,
  };
}

function chooseLayout(configuration: EngineConfiguration, model: LlamaModel): KvLayout {
  if (configuration.kvLayout !== 'auto') return configuration.kvLayout;
  return prefixSharing(model.shape).kind === 'blocks' ? 'pooled' : 'per-sequence';
}

function readKvTypes(text: string): KvTypePair {
  const [k = '', v = k] = text.split(':');
  if (!isKvType(k) || !isKvType(v)) throw new Error(`unknown KV type. Given: ${text}`);
  return { k, v };
}
