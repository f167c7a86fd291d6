// Fields that bound what may be drawn and when an answer ends, beyond OpenAI's own: names and meanings are vLLM's.

import { z } from 'zod';
import { type TokenId, tokenId } from '../ids.ts';
import type { RepetitionLimit } from '../ports.ts';
import type { Tokenizer } from '../text-ports.ts';
import { boundedArray, wireText } from './wire-text.ts';

const allowedTokensMax = 65_536;
const badWordsMax = 256;
/** Each output token is held against every length up to this. */
const patternTokensMax = 256;
const patternCountMax = 1024;

/** Shape to spread into an endpoint's own z.object. */
export const limitFields = {
  min_tokens: z.int().min(0).nullish().describe('No answer ends by itself before so many tokens.'),
  include_stop_str_in_output: z.boolean().nullish().describe('Leaves the stop text in the answer.'),
  allowed_token_ids: boundedArray(z.int().min(0), { min: 1, max: allowedTokensMax })
    .nullish()
    .describe('Only these tokens are drawn.'),
  bad_words: boundedArray(wireText.min(1).max(256), { min: 0, max: badWordsMax })
    .nullish()
    .describe('Texts that the answer never holds as tokens.'),
  repetition_detection: z
    .object({
      max_pattern_size: z.int().min(1).max(patternTokensMax),
      min_pattern_size: z.int().min(1).max(patternTokensMax).nullish(),
      min_count: z.int().min(2).max(patternCountMax),
    })
    .nullish()
    .describe('Ends an answer whose last tokens are `min_count` repeats of a pattern of such a size.'),
  truncate_prompt_tokens: z
    .int()
    .min(-1)
    .refine((count) => count !== 0, 'must be -1 or >= 1')
    .nullish()
    .describe('Keeps the last so many prompt tokens; -1 as many as the context holds.'),
};

type RepetitionField = z.output<typeof limitFields.repetition_detection>;

export function repetitionLimitOf(field: RepetitionField): RepetitionLimit | undefined {
  if (field === undefined || field === null) return undefined;
  return {
    patternTokensMin: field.min_pattern_size ?? 1,
    patternTokensMax: field.max_pattern_size,
    countMin: field.min_count,
  };
}

/** Each word as the tokens it may be written with: at the beginning of a text, and behind a space. */
export function bannedRunsOf(
  words: readonly string[] | null | undefined,
  tokenizer: Tokenizer,
): readonly (readonly TokenId[])[] | undefined {
  if (!words || words.length === 0) return undefined;
  const runs = new Map<string, readonly TokenId[]>();
  for (const word of words) {
    for (const text of [word, ` ${word.trimStart()}`]) {
      const run = Array.from(tokenizer.tokenize(text, { special: false, bos: false }), tokenId);
      if (run.length > 0) runs.set(run.join(), run);
    }
  }
  return [...runs.values()];
}
