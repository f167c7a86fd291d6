// Log-probabilities of output tokens on their way to the client: each waits until the text it begins in is sent.
// Why: text may be held back, for a character that is not whole or for what may become a stop string, and what a stop
// string cuts away is never sent; a token beyond the cut must not be either.

import type { TokenId } from '../ids.ts';
import type { TokenLogprobs } from '../sampling-params.ts';

export interface ScoredToken {
  readonly token: TokenId;
  /** Characters (code points) of the answer before it. */
  readonly offset: number;
  readonly logprobs: TokenLogprobs;
  /** It ended the answer and is no part of its text. */
  readonly isEnding?: boolean;
}

export interface ScoreQueue {
  /** `text`: what the token decoded to; empty when it only begins a character. */
  push(token: TokenId, text: string, logprobs: TokenLogprobs | undefined): void;
  /** Those that begin within the text that was sent so far. */
  take(sentLength: number): readonly ScoredToken[];
  /** The rest, once an answer ended by itself, and the token that ended it. */
  takeAll(ending: Pick<ScoredToken, 'token' | 'logprobs'> | undefined): readonly ScoredToken[];
}

export function createScoreQueue(): ScoreQueue {
  let waiting: { readonly start: number; readonly scored: ScoredToken }[] = [];
  /** Of all text decoded, in UTF-16 units and in code points. */
  let length = 0;
  let characterCount = 0;
  return {
    push(token, text, logprobs) {
      // Asked for with every token or with none; but tokens that were put in, and not drawn, have none.
      if (logprobs !== undefined) waiting.push({ start: length, scored: { token, offset: characterCount, logprobs } });
      length += text.length;
      characterCount += characterCountOf(text);
    },
    take(sentLength) {
      if (waiting.length === 0) return none;
      const count = waiting.findIndex(({ start }) => start >= sentLength);
      const ready = waiting.splice(0, count < 0 ? waiting.length : count);
      return ready.map(({ scored }) => scored);
    },
    takeAll(ending) {
      const rest = waiting.map(({ scored }) => scored);
      waiting = [];
      return ending === undefined ? rest : [...rest, { ...ending, offset: characterCount, isEnding: true }];
    },
  };
}

const none: readonly ScoredToken[] = [];

/** Unicode code points. */
export function characterCountOf(text: string): number {
  let count = text.length;
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    if (code >= 0xdc00 && code <= 0xdfff) count -= 1;
  }
  return count;
}
