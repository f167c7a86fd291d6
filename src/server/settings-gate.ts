// The settings of the precision gate: when it acts, and how much it may cost.
// Why these limits: on the embedded model and on the one before quantization-aware training they pass what keeps its answers and
// fail what loses them; docs/PRECISION.md has the table.

import { z } from 'zod';
import { gateModes } from '../precision-status.ts';
import { settingFacts } from './settings-facts.ts';

export const gateSettings = {
  gate: z.enum(gateModes).prefault('warn').register(settingFacts, {
    group: 'Precision gate',
    unit: '',
    meaning:
      'What happens at start when the KV type is beyond a limit against f16 KV: a warning, the end, or the next finer type. Int4 KV needs an accepted evaluation unless off.',
  }),
  acceptEvaluation: z.string().prefault('').register(settingFacts, {
    group: 'Precision gate',
    unit: 'path',
    meaning: 'A report of octet evaluate --json that speaks for the KV type on this model file; empty means none.',
    limit: 'a path or empty',
  }),
  gateDivergenceMax: z.number().min(0).max(1000).prefault(0.05).register(settingFacts, {
    group: 'Precision gate',
    unit: 'nats',
    meaning: 'Largest mean divergence (KL) of the KV type from f16 KV on the canary.',
  }),
  gateAgreementMin: z.number().min(0).max(1).prefault(0.85).register(settingFacts, {
    group: 'Precision gate',
    unit: 'share of tokens',
    meaning: 'Smallest share of tokens on the canary whose first choice is that of f16 KV.',
  }),
  gateAccuracyLossMax: z.number().min(0).max(1).prefault(0.02).register(settingFacts, {
    group: 'Precision gate',
    unit: 'share of answers',
    meaning: 'Largest loss of right answers, against f16 KV, in an evaluation report that is accepted.',
  }),
  gateTokens: z.int().min(1).max(1_048_576).prefault(4096).register(settingFacts, {
    group: 'Precision gate',
    unit: 'tokens',
    meaning: 'Tokens of the canary to read at most; at least one window of 512 is read.',
  }),
  gateSeconds: z.number().min(0.1).max(86_400).prefault(30).register(settingFacts, {
    group: 'Precision gate',
    unit: 'seconds',
    meaning: 'Longest time for a canary, loading the model included; what is measured by then counts.',
  }),
};
