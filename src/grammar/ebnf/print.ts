// From expressions to XGrammar's EBNF text.
// Why classes are written with care: this release of XGrammar misreads classes that name characters beyond ASCII (a range of
// them then accepts other characters). Safe are ASCII classes, and negated ASCII classes, which take everything beyond; so
// single characters beyond ASCII become texts, and what can be written in neither way is refused before (`asWritable`).

import { assertNever } from '../../assert.ts';
import { type CharSet, codePointMax, complement, intersect, listChars, sizeOf, subtract, union } from './characters.ts';
import type { Expression, Rules } from './expression.ts';

const ascii: CharSet = [[0, 0x7f]];
const beyondAscii: CharSet = complement(ascii);
/** More characters beyond ASCII than this in one class are too many texts. */
const listedCharsMax = 256;
/** Characters that end lines for ECMAScript's `.`; tokens that hold them are never allowed under a grammar (threads/vocabulary). */
const lineSeparators: CharSet = [[0x2028, 0x2029]];

/**
 * The part of a set that can be written; undefined when that would leave out what the set is about. Nearly everything beyond
 * ASCII, with exceptions, becomes ASCII alone; everything but line separators counts as everything.
 */
export function asWritable(set: CharSet): CharSet | undefined {
  if (isAscii(set)) return set;
  const beyond = subtract(set, ascii);
  const size = sizeOf(beyond);
  if (size <= listedCharsMax || size === sizeOf(beyondAscii)) return set;
  if (sizeOf(subtract(union(set, lineSeparators), ascii)) === sizeOf(beyondAscii)) return union(set, lineSeparators);
  const isNegative = size > codePointMax / 2;
  const plain = intersect(set, ascii);
  return isNegative && plain.length > 0 ? plain : undefined;
}

/** The whole grammar, `root` first. */
export function printRules(rules: Rules): string {
  const names = [...rules.keys()].sort((a, b) => Number(b === 'root') - Number(a === 'root'));
  return names
    .map((name) => {
      const found = rules.get(name);
      if (found === undefined) return '';
      const body = printExpression(found.body);
      return `${name} ::= ${found.lookahead === undefined ? body : `(${body}) ${found.lookahead}`}\n`;
    })
    .join('');
}

export function printExpression(expression: Expression): string {
  switch (expression.kind) {
    case 'text':
      return quote(expression.text);
    case 'class':
      return printClass(expression.set);
    case 'sequence':
      return expression.parts.length === 0 ? '""' : expression.parts.map(printPart).join(' ');
    case 'choice':
      return expression.options.map(printExpression).join(' | ');
    case 'repeat':
      return `${printUnit(expression.of)}${printCount(expression.min, expression.max)}`;
    case 'rule':
      return expression.name;
    default:
      return assertNever(expression);
  }
}

function printPart(part: Expression): string {
  const printed = printExpression(part);
  const needsBrackets = part.kind === 'choice' || (part.kind === 'class' && printed.includes(' | '));
  return needsBrackets ? `(${printed})` : printed;
}

function printUnit(of: Expression): string {
  const printed = printExpression(of);
  const isUnit = of.kind === 'rule' || of.kind === 'text' || (of.kind === 'class' && !printed.includes(' | '));
  return isUnit ? printed : `(${printed})`;
}

function printCount(min: number, max: number | undefined): string {
  if (max === undefined) return min === 0 ? '*' : min === 1 ? '+' : `{${min},}`;
  return min === 0 && max === 1 ? '?' : `{${min},${max}}`;
}

/** Nearly all sets: worth an answer without looking at the rest of Unicode. */
function isAscii(set: CharSet): boolean {
  return (set.at(-1)?.[1] ?? 0) <= 0x7f;
}

function printClass(set: CharSet): string {
  if (isAscii(set) && set.length > 0) return `[${printRanges(set)}]`;
  const plain = intersect(set, ascii);
  const beyond = subtract(set, ascii);
  if (beyond.length > 0 && sizeOf(beyond) === sizeOf(beyondAscii)) {
    const missing = subtract(ascii, plain);
    return missing.length > 0 ? `[^${printRanges(missing)}]` : '[\\x00-\\x7f] | [^\\x00-\\x7f]';
  }
  const options = listChars(beyond).map(quote);
  return (plain.length > 0 ? [`[${printRanges(plain)}]`, ...options] : options).join(' | ');
}

function printRanges(set: CharSet): string {
  return set.map(([from, to]) => (from === to ? hex(from) : `${hex(from)}-${hex(to)}`)).join('');
}

/** Letters and digits as they are, everything else by number: nothing then needs to be known about classes' own syntax. */
function hex(codePoint: number): string {
  const character = String.fromCodePoint(codePoint);
  return /[A-Za-z0-9]/.test(character) ? character : `\\u${codePoint.toString(16).padStart(4, '0')}`;
}

/** A text in double quotes. */
export function quote(value: string): string {
  const inside = [...value].map((character) => {
    const codePoint = character.codePointAt(0) ?? 0;
    if (character === '"' || character === '\\') return `\\${character}`;
    if (codePoint >= 0x20 && codePoint < 0x7f) return character;
    return codePoint <= 0xffff
      ? `\\u${codePoint.toString(16).padStart(4, '0')}`
      : `\\U${codePoint.toString(16).padStart(8, '0')}`;
  });
  return `"${inside.join('')}"`;
}
