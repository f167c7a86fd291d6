// How one character of a pattern's set is written inside a JSON string.

import { charsOf, intersect, listChars, subtract, union } from '../ebnf/characters.ts';
import { choice, type Expression, oneOf, text } from '../ebnf/expression.ts';
import { asWritable } from '../ebnf/print.ts';
import type { CharWriter } from '../regex/lower.ts';
import { plainChars } from './text-rules.ts';

const escapes: Readonly<Record<string, string>> = {
  '"': '\\"',
  '\\': '\\\\',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
};
const escaped = charsOf(Object.keys(escapes).join(''));
const noLineSeparators = charsOf('\u2028\u2029');

/** Characters as they are, or as their short escapes. Control characters without one are left out. */
export const writeInString: CharWriter = (set) => {
  const plain = intersect(set, plainChars);
  const isNearlyAll = subtract(plainChars, union(plain, noLineSeparators)).length === 0;
  const writable = isNearlyAll ? union(plain, noLineSeparators) : asWritable(plain);
  if (writable === undefined) return undefined;
  const options: Expression[] = listChars(intersect(set, escaped)).map((character) => text(escapes[character] ?? ''));
  if (writable.length > 0) options.unshift(oneOf(writable));
  return options.length === 0 ? undefined : choice(options);
};
