// The character sets that regular expressions have names for, as ECMAScript defines them.

import { type CharSet, charSet, charsOf, complement } from '../ebnf/characters.ts';

const digits: CharSet = [[0x30, 0x39]];
const words = charSet([...digits, [0x41, 0x5a], [0x5f, 0x5f], [0x61, 0x7a]]);
const spaces = charSet([
  [0x09, 0x0d],
  [0x20, 0x20],
  [0xa0, 0xa0],
  [0x1680, 0x1680],
  [0x2000, 0x200a],
  [0x2028, 0x2029],
  [0x202f, 0x202f],
  [0x205f, 0x205f],
  [0x3000, 0x3000],
  [0xfeff, 0xfeff],
]);

/** `.`: everything but line terminators. */
export const anyChar = complement(charsOf('\n\r\u2028\u2029'));

export const classEscapes: Readonly<Record<string, CharSet | undefined>> = {
  d: digits,
  D: complement(digits),
  w: words,
  W: complement(words),
  s: spaces,
  S: complement(spaces),
};

export const controlEscapes: Readonly<Record<string, string | undefined>> = {
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  f: '\f',
  '0': '\0',
};
