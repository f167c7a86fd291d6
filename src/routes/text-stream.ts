// One choice's way from tokens to text: whole characters only, stop strings found and left out.

import type { TokenId } from '../ids.ts';
import { createStopMatcher, type StopPattern } from './stop-matcher.ts';
import { createTokenDecoder, type TokenTexts } from './token-text.ts';

export interface TextStream {
  /** The text that is safe to send now; may be empty. */
  push(token: TokenId): string;
  /** The text still held when the sequence ended by itself. */
  flush(): string;
  /** Whether a stop string was found, in `push` or in `flush`. */
  readonly stopped: boolean;
  /** The stop string that was found. */
  readonly stop: string | undefined;
  /** What the last token decoded to, sent or held. */
  readonly lastText: string;
}

export interface StopRules {
  readonly patterns: readonly StopPattern[];
  /** Leave the stop string in the text. */
  readonly keepsStop: boolean;
  /** Tokens before which no stop string counts. */
  readonly tokensMin: number;
}

export function createTextStream(texts: TokenTexts, { patterns, keepsStop, tokensMin }: StopRules): TextStream {
  const decoder = createTokenDecoder(texts);
  const matcher = createStopMatcher(patterns, keepsStop);
  let tokenCount = 0;
  let lastText = '';
  return {
    push(token) {
      lastText = decoder.decode(token);
      tokenCount += 1;
      return tokenCount <= tokensMin ? lastText : matcher.push(lastText);
    },
    flush: () => {
      const last = matcher.push(decoder.flush());
      return matcher.stopped ? last : last + matcher.flush();
    },
    get stopped() {
      return matcher.stopped;
    },
    get stop() {
      return matcher.found;
    },
    get lastText() {
      return lastText;
    },
  };
}
