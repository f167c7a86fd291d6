// A prompt with a hole: the text before and behind it, marked with the tokens that code models are trained on.
// Order as most of those models know it (prefix, suffix, middle). Source: "Efficient Training of Language Models to Fill in
// the Middle" (arXiv 2207.14255), section 3.

import type { FillTokens, Tokenizer } from '../text-ports.ts';

/** `prefix` may begin with the beginning-of-text token, which then stays in front. */
export function fillInMiddle(
  prefix: Int32Array,
  suffix: Int32Array,
  { fill, tokenizer }: { readonly fill: FillTokens; readonly tokenizer: Tokenizer },
): Int32Array {
  const beginning = tokenizer.tokenize('', { special: false, bos: true });
  const hasBeginning = beginning.length > 0 && prefix[0] === beginning[0];
  return Int32Array.from([
    ...(hasBeginning ? beginning : []),
    fill.prefix,
    ...prefix.subarray(hasBeginning ? beginning.length : 0),
    fill.suffix,
    ...suffix,
    fill.middle,
  ]);
}
