// A tokenizer of 256 tokens, one per byte, and a few of several bytes: the smallest vocabulary that still cuts
// characters in two. Token 256 ends a generation; 257 and up are the pieces given.

import { type TokenId, tokenId } from '../../src/ids.ts';
import type { ChatEncoder, EmbeddingEncoder, Tokenizer } from '../../src/text-ports.ts';

export const endToken = tokenId(256);

/** Tokens 0 to 255 are bytes, 256 is the end, 257 and up are `pieces`. */
export function createByteTokenizer(pieces: readonly Uint8Array[] = []): Tokenizer {
  const tokenize = (text: string): Int32Array => Int32Array.from(Buffer.from(text, 'utf8'));
  return {
    vocabularySize: 257 + pieces.length,
    tokenize,
    tokenizeAsync: async (text) => tokenize(text),
    pieceBytes: (token) => {
      if (token < 256) return Uint8Array.of(token);
      return pieces[token - 257] ?? new Uint8Array(0);
    },
    isEndOfGeneration: (token) => token === endToken,
  };
}

/** The byte tokens of a text. */
export function byteTokens(text: string): TokenId[] {
  return [...Buffer.from(text, 'utf8')].map((byte) => tokenId(byte));
}

/** Renders `role: content` lines, and how they are to end where that was said, so that tests can read what the engine was given. */
export function createLineEncoder(tokenizer: Tokenizer): ChatEncoder {
  return {
    showsTools: true,
    encodeChat(messages, { ending = 'for-answer' } = {}) {
      const lines = messages.map(({ role, content }) => `${role}: ${content}\n`).join('');
      return tokenizer.tokenize(ending === 'for-answer' ? lines : lines + ending, { special: true, bos: true });
    },
  };
}

/** Texts between the bytes 2 and 3; a pair is two of them, of which the second may be cut. */
export function createLinePairs(tokenizer: Tokenizer): EmbeddingEncoder {
  const edges = { before: Int32Array.of(2), after: Int32Array.of(3) };
  const bytes = (text: string) => tokenizer.tokenize(text, { special: false, bos: false });
  return {
    edges,
    async encodePair(query, document, { pairTokensMax = Number.POSITIVE_INFINITY, documentTokensMax } = {}) {
      const first = [...edges.before, ...bytes(query), ...edges.after];
      const room = Math.min(
        Math.max(pairTokensMax - first.length - 1, 0),
        documentTokensMax ?? Number.POSITIVE_INFINITY,
      );
      return Int32Array.from([...first, ...bytes(document).subarray(0, room), ...edges.after]);
    },
  };
}
