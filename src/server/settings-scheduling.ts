// The settings of scheduling: how large steps are, what their times should be, and who goes first.

import { z } from 'zod';
import { settingFacts } from './settings-facts.ts';

export const schedulingSettings = {
  sequencesMax: z.int().min(1).max(256).prefault(32).register(settingFacts, {
    group: 'Scheduling',
    unit: 'sequences',
    meaning: 'Sequences that run at once; more wait.',
  }),
  stepTokens: z.int().min(1).max(1_048_576).prefault(2048).register(settingFacts, {
    group: 'Scheduling',
    unit: 'tokens',
    meaning: 'Most tokens that one step computes; long prompts are read in chunks below it.',
  }),
  microBatch: z.int().min(1).max(65_536).prefault(512).register(settingFacts, {
    group: 'Scheduling',
    unit: 'tokens',
    meaning: 'Tokens that the kernels compute at once within a step; larger needs more compute memory.',
  }),
  drawing: z.enum(['auto', 'host', 'graph']).prefault('auto').register(settingFacts, {
    group: 'Scheduling',
    unit: '',
    meaning:
      'Where tokens are drawn. graph: with the logits (greedy ones, and those of temperature, top-p and min-p), which then leave the device only for other draws. host: from logits that were copied. auto: graph with CUDA, else host.',
  }),
  hostCopies: z.enum(['auto', 'beside', 'between']).prefault('auto').register(settingFacts, {
    group: 'Scheduling',
    unit: '',
    meaning:
      'When keys and values are copied to host memory and back. between: between two steps, which holds up all that decode. beside: while steps run, for which only who needs the copy waits; with the layout per-sequence, and tokens drawn in the graph (where a CPU computes: right before a step). auto: with CUDA beside, where that costs less in all; else between.',
  }),
  itlTargetMs: z.number().min(0).max(60_000).prefault(0).register(settingFacts, {
    group: 'Scheduling',
    unit: 'milliseconds',
    meaning:
      'Inter-token time that nearly all steps stay within while prompts are being read; 0 means twice that of a quiet step, and more while many wait.',
  }),
  ttftTargetMs: z.number().min(0).max(3_600_000).prefault(0).register(settingFacts, {
    group: 'Scheduling',
    unit: 'milliseconds',
    meaning:
      'First-token time, from arrival: requests that can still meet it go before those that cannot, of which every tenth admission is one. For loads above what the machine can carry; 0 serves by the policy alone.',
  }),
  policy: z.enum(['fcfs', 'priority', 'fair']).prefault('fcfs').register(settingFacts, {
    group: 'Scheduling',
    unit: '',
    meaning: "Who runs first: arrival order, the request's priority, or an equal share for each API key.",
  }),
  preemption: z.enum(['auto', 'park', 'recompute']).prefault('auto').register(settingFacts, {
    group: 'Scheduling',
    unit: '',
    meaning: 'How a sequence gives up its blocks when room is short; auto takes what is estimated cheaper.',
  }),
};
