// How single tokens are written in answers: their text where it is whole, else their bytes, as OpenAI does.
// Why control tokens have names here: an answer leaves them out, but a list of likely tokens must tell them apart.

import type { TokenId } from '../ids.ts';
import type { Tokenizer } from '../text-ports.ts';

export interface TokenNames {
  /** Text, or `\xf0\x9f` for bytes that are no whole characters. */
  name(token: TokenId): string;
  bytes(token: TokenId): readonly number[];
}

const strictDecoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export function createTokenNames(tokenizer: Tokenizer): TokenNames {
  const bytesOf = (token: TokenId): Uint8Array => tokenizer.pieceBytes(token, true);
  return {
    name(token) {
      const bytes = bytesOf(token);
      try {
        return strictDecoder.decode(bytes);
      } catch {
        return Array.from(bytes, (byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('');
      }
    },
    bytes: (token) => [...bytesOf(token)],
  };
}

/** vLLM's `return_tokens_as_token_ids`: names that can be turned back. */
export function namesAsIds(names: TokenNames): TokenNames {
  return { ...names, name: (token) => `token_id:${token}` };
}
