// The settings of speculative decoding: who guesses, how far ahead, and what is searched for guesses.
// Why so few: when guesses are computed, and how many of them, is decided by what they came to and what they cost.

import { z } from 'zod';
import { settingFacts } from './settings-facts.ts';

const spellings = {
  off: 'off',
  lookup: 'lookup',
  draft: 'draft',
  'lookup,draft': 'lookup,draft',
  'draft,lookup': 'lookup,draft',
  mtp: 'mtp',
  'lookup,mtp': 'lookup,mtp',
  'mtp,lookup': 'lookup,mtp',
} as const;

export type Speculative = (typeof spellings)[keyof typeof spellings];

const wishes = new Map<string, Speculative>(Object.entries(spellings));

/** Who guesses, in either order. */
const speculativeWish = z.string().transform((given, context) => {
  const wish = wishes.get(given.replaceAll(' ', ''));
  if (wish !== undefined) return wish;
  context.addIssue({ code: 'custom', message: 'nobody who guesses' });
  return z.NEVER;
});

export const speculationSettings = {
  speculative: speculativeWish.prefault('off').register(settingFacts, {
    group: 'Scheduling',
    unit: '',
    limit: 'one of off, lookup, draft, mtp, lookup,draft, lookup,mtp',
    meaning:
      'Guess what follows and check several guesses in one step where that is faster; the text stays the same. lookup: what followed the last tokens where they stood before in prompt or output; draft: what a smaller model says (--draft); mtp: what the multi-token head says that the model itself brings (GLM 4 MoE and the like); lookup,draft and lookup,mtp: by lookup where that comes true at least as often as what the other says, else by that.',
  }),
  draft: z.string().prefault('').register(settingFacts, {
    group: 'Scheduling',
    unit: '',
    meaning: 'The GGUF model that guesses; it must have the vocabulary of the model that is served.',
    limit: 'a path, a URL or hf:owner/repo:QUANT',
  }),
  draftThreads: z.int().min(0).max(1024).prefault(0).register(settingFacts, {
    group: 'Scheduling',
    unit: 'threads',
    meaning: 'Threads that compute the draft model, or the multi-token head; 0 means as many as the model has.',
  }),
  draftCacheTokens: z.int().min(0).max(16_777_216).prefault(0).register(settingFacts, {
    group: 'Scheduling',
    unit: 'tokens',
    meaning:
      "What the draft model's own f16 KV cache, or that of the multi-token head, holds of all sequences together. Longer sequences take no guesses from a draft model; a head goes on with their newest tokens. 0 means up to 32,768, and less where that would take more than 10 % of the memory.",
  }),
  speculativeTokens: z.int().min(1).max(64).prefault(15).register(settingFacts, {
    group: 'Scheduling',
    unit: 'tokens',
    meaning: 'Most guesses that one step computes for a sequence.',
  }),
  lookupTokensMin: z.int().min(1).max(32).prefault(2).register(settingFacts, {
    group: 'Scheduling',
    unit: 'tokens',
    meaning: 'Shortest run of tokens that is looked up; the longer the run found, the more is thought of the guess.',
  }),
  lookupWindow: z.int().min(64).max(16_777_216).prefault(32_768).register(settingFacts, {
    group: 'Scheduling',
    unit: 'tokens',
    meaning: 'Newest tokens of a sequence that are searched; the index takes 12 bytes for each.',
  }),
};

/** Whether one is among those who guess. */
export function guessesBy(speculative: Speculative, name: 'lookup' | 'draft' | 'mtp'): boolean {
  return speculative.split(',').includes(name);
}
