// Makes prompts of a wanted length out of segments: the same seed gives the same words or token ids everywhere.
// Why words in random order: the prompt must be unlike every other from its first block on, or a prefix cache would find it.
// Why lengths need calibrating: how many tokens a word takes depends on the model's vocabulary, which a client cannot see.

import { createRandom } from '../random.ts';
import type { Prompt, Segment } from './types.ts';

/** How to turn a number of tokens into text: `tokens = perWord * words + overhead`. */
export interface TextScale {
  readonly kind: 'text';
  readonly tokensPerWord: number;
  /** Tokens that the server adds to every prompt: chat template, beginning-of-sequence. */
  readonly overheadTokens: number;
}

/** Token ids drawn from [from, to). */
export interface TokenRange {
  readonly kind: 'tokens';
  readonly from: number;
  readonly to: number;
}

export type PromptScale = TextScale | TokenRange;

/** The prompt that `segments` stand for, one after another. */
export function makePrompt(segments: readonly Segment[], scale: PromptScale): Prompt {
  if (scale.kind === 'tokens')
    return { kind: 'tokens', tokens: segments.flatMap((segment) => drawTokens(segment, scale)) };
  return { kind: 'turns', turns: [{ role: 'user', text: makeText(segments, scale) }] };
}

/** The text of `segments`; what the server adds is taken off the last one. */
export function makeText(segments: readonly Segment[], scale: TextScale): string {
  return segments
    .map(({ seed, tokens }, index) => {
      const overhead = index === segments.length - 1 ? scale.overheadTokens : 0;
      return makeWords(seed, Math.max(1, Math.round((tokens - overhead) / scale.tokensPerWord)));
    })
    .join(' ');
}

/** `count` words in an order fixed by `seed`. */
export function makeWords(seed: number, count: number): string {
  const random = createRandom(seed);
  return Array.from({ length: count }, () => words[Math.floor(random() * words.length)]).join(' ');
}

function drawTokens(segment: Segment, range: TokenRange): number[] {
  const random = createRandom(segment.seed);
  return Array.from({ length: segment.tokens }, () => range.from + Math.floor(random() * (range.to - range.from)));
}

// Common nouns that most vocabularies hold as one token with the space before them.
const words =
  `time year people way day man thing woman life child world school state family student group country problem
hand part place case week company system program question work government number night point home water room mother area
money story fact month lot right study book eye word business issue side kind head house service friend father power hour
game line end member law car city community name president team minute idea body back parent face others level office door
health person art war history party result change morning reason research girl guy moment air teacher force education
foot boy age policy music market sense nation plan college interest death experience effect use class control field
development role effort rate heart drug show leader light voice wife police mind price report decision son view`.split(
    /\s+/,
  );
