// Texts as tokens: short ones at once, long ones off the thread that answers HTTP, which has streams to feed.

import type { Tokenizer } from '../text-ports.ts';

/** In UTF-16 units. Longer texts take milliseconds. */
const inlineLengthMax = 8192;

interface TokenizeOptions {
  /** As the tokenizer has them. */
  readonly special: boolean;
  readonly bos: boolean;
  /** Of all texts that are tokenized with this one. */
  readonly lengthInAll?: number;
}

export function tokenizeText(
  text: string,
  tokenizer: Pick<Tokenizer, 'tokenize' | 'tokenizeAsync'>,
  { lengthInAll = text.length, ...options }: TokenizeOptions,
): Int32Array | Promise<Int32Array> {
  return lengthInAll <= inlineLengthMax ? tokenizer.tokenize(text, options) : tokenizer.tokenizeAsync(text, options);
}

export function joinTokens(first: Int32Array, second: Int32Array): Int32Array {
  const both = new Int32Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}
