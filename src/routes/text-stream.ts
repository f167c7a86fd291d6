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
}

export function createTextStream(texts: TokenTexts, stops: readonly StopPattern[]): TextStream {
  const decoder = createTokenDecoder(texts);
  const matcher = createStopMatcher(stops);
  return {
    push: (token) => matcher.push(decoder.decode(token)),
    flush: () => {
      const last = matcher.push(decoder.flush());
      return matcher.stopped ? last : last + matcher.flush();
    },
    get stopped() {
      return matcher.stopped;
    },
  };
}
