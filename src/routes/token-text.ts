// Tokens to text, without ever cutting a character: bytes of an unfinished UTF-8 sequence wait for the next token.
// Why not one streaming TextDecoder per choice: most tokens are whole text on their own, so their text is decoded once
// and shared by all streams; only the odd partial token takes the slow way. Same result as a streaming TextDecoder.

import type { TokenId } from '../ids.ts';
import type { Tokenizer } from '../text-ports.ts';

const strictDecoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const lenientDecoder = new TextDecoder('utf-8', { ignoreBOM: true });
const nothing = new Uint8Array(0);

/** Text of tokens, shared by all streams of one tokenizer. */
export interface TokenTexts {
  /** The token's text, or undefined when its bytes are not whole UTF-8 by themselves. */
  wholeText(token: TokenId): string | undefined;
  bytes(token: TokenId): Uint8Array;
}

/**
 * Remembers each token's text once it was seen: at most one string per vocabulary entry. Control tokens have no text, but
 * for those whose text is among `shown`.
 */
export function createTokenTexts(tokenizer: Tokenizer, shown: ReadonlySet<string> = new Set()): TokenTexts {
  const bytesOf = (token: TokenId): Uint8Array => {
    const plain = tokenizer.pieceBytes(token);
    if (plain.length > 0 || shown.size === 0) return plain;
    const special = tokenizer.pieceBytes(token, true);
    return shown.has(strictText(special) ?? '') ? special : plain;
  };
  const texts: (string | undefined)[] = new Array(tokenizer.vocabularySize);
  /** 0 not seen, 1 whole, 2 partial. Shape (vocabularySize,). */
  const kinds = new Uint8Array(tokenizer.vocabularySize);
  return {
    wholeText(token) {
      if (kinds[token] === 0) {
        const text = strictText(bytesOf(token));
        texts[token] = text;
        kinds[token] = text === undefined ? 2 : 1;
      }
      return texts[token];
    },
    bytes: bytesOf,
  };
}

function strictText(bytes: Uint8Array): string | undefined {
  try {
    return strictDecoder.decode(bytes);
  } catch {
    return undefined;
  }
}

/** One choice's decoder. Holds at most three bytes. */
export interface TokenDecoder {
  /** The text that `token` completes; may be empty. */
  decode(token: TokenId): string;
  /** What is left at the end: U+FFFD for an unfinished character, as the Encoding standard says. */
  flush(): string;
}

export function createTokenDecoder(texts: TokenTexts): TokenDecoder {
  let waiting: Uint8Array = nothing;
  return {
    decode(token) {
      if (waiting.length === 0) {
        const text = texts.wholeText(token);
        if (text !== undefined) return text;
      }
      const bytes = concat(waiting, texts.bytes(token));
      const wholeLength = bytes.length - unfinishedLength(bytes);
      waiting = wholeLength === bytes.length ? nothing : bytes.slice(wholeLength);
      return lenientDecoder.decode(bytes.subarray(0, wholeLength));
    },
    flush() {
      const text = lenientDecoder.decode(waiting);
      waiting = nothing;
      return text;
    },
  };
}

function concat(first: Uint8Array, second: Uint8Array): Uint8Array {
  if (first.length === 0) return second;
  const both = new Uint8Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}

/**
 * How many of the last bytes begin a UTF-8 sequence that later bytes could still complete: 0 to 3. A beginning that no
 * byte can complete counts as 0, so that the decoder replaces it at once.
 * Source: the Unicode standard, table 3-7, well-formed UTF-8 byte sequences.
 */
export function unfinishedLength(bytes: Uint8Array): number {
  for (let length = 1; length <= 3 && length <= bytes.length; length += 1) {
    const at = bytes.length - length;
    const lead = bytes[at] ?? 0;
    if (lead < 0x80) return 0;
    if (lead >= 0xc0) return length < sequenceLength(lead) && isSecondByte(lead, bytes[at + 1]) ? length : 0;
  }
  return 0;
}

function sequenceLength(lead: number): number {
  if (lead >= 0xc2 && lead <= 0xdf) return 2;
  if (lead >= 0xe0 && lead <= 0xef) return 3;
  return lead >= 0xf0 && lead <= 0xf4 ? 4 : 0;
}

/** Whether `second`, a continuation byte or nothing yet, may follow `lead`. */
function isSecondByte(lead: number, second: number | undefined): boolean {
  if (second === undefined) return true;
  if (lead === 0xe0) return second >= 0xa0;
  if (lead === 0xed) return second <= 0x9f;
  if (lead === 0xf0) return second >= 0x90;
  if (lead === 0xf4) return second <= 0x8f;
  return true;
}
