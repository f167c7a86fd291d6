// Text to tokens and tokens to bytes, by the model's own vocabulary.
// Why bytes with a length: text may hold NUL characters, and a token may be a part of a character.
// Why pieces are cached: each streamed token asks for its bytes, and the vocabulary never changes.

import { type TokenId, tokenId } from '../ids.ts';
import type { FillTokens, Tokenizer } from '../text-ports.ts';
import type { LlamaModel } from './model.ts';
import { callAsync } from './native.ts';

type TokenizeOptions = Parameters<Tokenizer['tokenize']>[1];

const encoder = new TextEncoder();
/** Most pieces are shorter; a longer one is asked for again with the size it needs. */
const pieceBytesUsual = 64;

/** A tokenizer over a loaded model or vocabulary. */
export function createTokenizer(model: LlamaModel): Tokenizer {
  const { native } = model.libraries;
  const { vocabulary, vocabularySize } = model;
  const pieces = createPieceCache(model);
  const beginning = native.llama_vocab_get_add_bos(vocabulary) ? native.llama_vocab_bos(vocabulary) : undefined;
  const endTokenIds = new Set<TokenId>(model.endTokenIds);

  // The native side would also append an end token where a model asks for one; a prompt must not have it.
  const finish = (tokens: Int32Array, { bos }: TokenizeOptions) =>
    bos && beginning !== undefined && tokens[0] !== beginning ? prepend(beginning, tokens) : tokens;

  return {
    vocabularySize,
    tokenize(text, options) {
      const bytes = encoder.encode(text);
      const fill = (tokens: Int32Array) =>
        native.llama_tokenize(vocabulary, bytes, bytes.length, tokens, tokens.length, false, options.special);
      const guess = new Int32Array(likelyTokenCount(bytes.length));
      const count = fill(guess);
      if (count >= 0) return finish(guess.slice(0, count), options);
      const exact = new Int32Array(neededCount(count));
      return finish(exact.subarray(0, fill(exact)), options);
    },
    async tokenizeAsync(text, options) {
      const bytes = encoder.encode(text);
      const fill = (tokens: Int32Array) =>
        callAsync(
          native.llama_tokenize,
          vocabulary,
          bytes,
          bytes.length,
          tokens,
          tokens.length,
          false,
          options.special,
        );
      const guess = new Int32Array(likelyTokenCount(bytes.length));
      const count = await fill(guess);
      if (count >= 0) return finish(guess.slice(0, count), options);
      const exact = new Int32Array(neededCount(count));
      return finish(exact.subarray(0, await fill(exact)), options);
    },
    pieceBytes: (token, special = false) => (special ? pieces.special(token) : pieces.plain(token)),
    isEndOfGeneration: (token) => endTokenIds.has(token),
    fillTokens: readFillTokens(model),
  };
}

function readFillTokens({ libraries: { native }, vocabulary }: LlamaModel): FillTokens | undefined {
  const [prefix = -1, suffix = -1, middle = -1] = [
    native.llama_vocab_fim_pre(vocabulary),
    native.llama_vocab_fim_suf(vocabulary),
    native.llama_vocab_fim_mid(vocabulary),
  ];
  if (prefix < 0 || suffix < 0 || middle < 0) return undefined;
  return { prefix: tokenId(prefix), suffix: tokenId(suffix), middle: tokenId(middle) };
}

type PieceOf = (token: TokenId) => Uint8Array;

/** The bytes of each token, read once: with control tokens as nothing (`plain`), or as their texts (`special`). */
function createPieceCache({
  libraries: { native },
  vocabulary,
  vocabularySize,
}: LlamaModel): Record<'plain' | 'special', PieceOf> {
  const none = new Uint8Array(0);

  function readPiece(token: TokenId, special: boolean): Uint8Array {
    const buffer = new Uint8Array(pieceBytesUsual);
    const length = native.llama_token_to_piece(vocabulary, token, buffer, buffer.length, 0, special);
    if (length >= 0) return buffer.slice(0, length);
    const exact = new Uint8Array(-length);
    native.llama_token_to_piece(vocabulary, token, exact, exact.length, 0, special);
    return exact;
  }

  function cached(special: boolean): PieceOf {
    const known: (Uint8Array | undefined)[] = new Array(vocabularySize);
    return (token) => {
      if (!(token >= 0 && token < vocabularySize)) return none;
      const piece = known[token] ?? readPiece(token, special);
      known[token] = piece;
      return piece;
    };
  }

  return { plain: cached(false), special: cached(true) };
}

/** Text has about 4 bytes a token; half of that again is rarely exceeded, and then the exact count is known. */
function likelyTokenCount(byteCount: number): number {
  return Math.ceil(byteCount / 2) + 16;
}

/** The native side answers minus the count it needs, or INT32_MIN when that does not fit 31 bits. */
function neededCount(answer: number): number {
  if (answer === -(2 ** 31)) throw new Error('the text has more tokens than 31 bits count');
  return -answer;
}

function prepend(token: number, tokens: Int32Array): Int32Array {
  const all = new Int32Array(tokens.length + 1);
  all[0] = token;
  all.set(tokens, 1);
  return all;
}
