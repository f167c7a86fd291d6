// The vocabulary as XGrammar wants it: a text for each token.
// Why not the tokens' own text: a token may be half a character, which no text can hold. Each byte becomes one printable
// character, by the table that byte-level BPE uses (GPT-2), and XGrammar undoes it.
// Why some tokens are left out: control tokens have no text, the line separators U+2028 and U+2029 are what a grammar's
// classes cannot except (ebnf/print.ts), and what is never UTF-8 would be read as other characters than were counted. A token
// without text is never allowed.

export interface Vocabulary {
  /** Text of each token, one a line; empty means never allowed. One text, because threads copy it at once. */
  readonly lines: string;
  readonly endTokenIds: readonly number[];
}

/** Reads every token's bytes. O(vocabulary). */
export function readVocabulary(source: {
  readonly vocabularySize: number;
  readonly endTokenIds: readonly number[];
  readonly pieceBytes: (token: number) => Uint8Array;
}): Vocabulary {
  const { vocabularySize, endTokenIds, pieceBytes } = source;
  const texts = Array.from({ length: vocabularySize }, (_, token) => vocabularyText(pieceBytes(token)));
  return { lines: texts.join('\n'), endTokenIds };
}

const byteCharacters = makeByteCharacters();

function makeByteCharacters(): readonly string[] {
  let next = 256;
  return Array.from({ length: 256 }, (_, byte) => {
    const isPrintable = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
    return String.fromCharCode(isPrintable ? byte : next++);
  });
}

/** One token's text. */
export function vocabularyText(bytes: Uint8Array): string {
  if (bytes.some(isNeverUtf8) || bytes.some((_, at) => startsForbidden(bytes, at))) return '';
  let text = '';
  for (const byte of bytes) text += byteCharacters[byte] ?? '';
  return text;
}

function isNeverUtf8(byte: number): boolean {
  return byte === 0xc0 || byte === 0xc1 || byte > 0xf4;
}

/** A line separator, or the first two bytes of what UTF-8 spells otherwise or not at all: overlong, surrogate, too large. */
function startsForbidden(bytes: Uint8Array, at: number): boolean {
  const [first, second = 0, third = 0] = bytes.subarray(at, at + 3);
  if (at + 1 >= bytes.length) return false;
  if (first === 0xe2) return second === 0x80 && (third === 0xa8 || third === 0xa9);
  if (first === 0xe0) return second < 0xa0;
  if (first === 0xed) return second >= 0xa0;
  if (first === 0xf0) return second < 0x90;
  return first === 0xf4 && second >= 0x90;
}
