// Settings that change how fast steps are and nothing else, and whether `octet tune` may choose them.
// Why they are settings at all: what is best depends on the machine, and a tuning run must be able to say it in flags.

import { z } from 'zod';
import { flashAttentions } from '../kv-types.ts';
import { settingFacts } from './settings-facts.ts';

/** Shape to spread into the table of settings. */
export const speedSettings = {
  batchThreads: z.int().min(0).max(1024).prefault(0).register(settingFacts, {
    group: 'Model',
    unit: 'threads',
    meaning: 'CPU threads for steps of more than one row, prompts among them; 0 means as many as for one row.',
  }),
  samplingThreads: z.int().min(0).max(256).prefault(0).register(settingFacts, {
    group: 'Model',
    unit: 'threads',
    meaning: 'Threads that draw tokens from logits; 0 means as many as compute, at most 8.',
  }),
  flashAttention: z.enum(flashAttentions).prefault('auto').register(settingFacts, {
    group: 'Model',
    unit: '',
    meaning: 'Attention in one pass over the cache; auto takes it where the device has it. Quantized V needs it.',
  }),
  tuned: z.boolean().prefault(false).register(settingFacts, {
    group: 'Model',
    unit: '',
    meaning:
      'Take threads, micro-batch, step size and KV layout that octet tune found for this model on this device, where they are not set otherwise.',
  }),
};
