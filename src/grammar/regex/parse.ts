// Reads regular expressions in ECMAScript's syntax (with the flag u): what JSON Schema's `pattern` and guided_regex are written in.
// Why our own reader: what a generator leaves out (lookarounds, word boundaries, back references) it must name, not skip.

import { type CharSet, charSet, charsOf, complement, union } from '../ebnf/characters.ts';
import { anyChar, classEscapes, controlEscapes } from './escapes.ts';
import { type Branch, emptyPattern, joined, type Pattern } from './syntax.ts';

export type ParsedRegex =
  | { readonly kind: 'parsed'; readonly branches: readonly Branch[] }
  /** Continues the sentence `pattern ...`. */
  | { readonly kind: 'refused'; readonly rule: string };

/** Larger counts make grammars that never finish compiling. */
const countMax = 10_000;
const depthMax = 100;

class Refusal extends Error {}

interface Reader {
  readonly source: readonly string[];
  at: number;
  depth: number;
}

type Item =
  | { readonly kind: 'start' }
  | { readonly kind: 'end' }
  | { readonly kind: 'pattern'; readonly pattern: Pattern }
  | { readonly kind: 'group'; readonly branches: readonly Branch[] };

/** Reads a regular expression into its alternatives. O(length). */
export function parseRegex(source: string): ParsedRegex {
  const reader: Reader = { source: [...source], at: 0, depth: 0 };
  try {
    const branches = readBranches(reader);
    if (reader.at < reader.source.length) refuse(reader, 'has an unmatched )');
    return { kind: 'parsed', branches };
  } catch (error) {
    if (error instanceof Refusal) return { kind: 'refused', rule: error.message };
    throw error;
  }
}

function refuse(reader: Reader, rule: string): never {
  throw new Refusal(`${rule} (at character ${reader.at + 1})`);
}

function peek({ source, at }: Reader, offset = 0): string | undefined {
  return source[at + offset];
}

/** Takes `text` if it comes next. */
function take(reader: Reader, text: string): boolean {
  const matches = [...text].every((character, offset) => peek(reader, offset) === character);
  if (matches) reader.at += text.length;
  return matches;
}

function readBranches(reader: Reader): Branch[] {
  reader.depth += 1;
  if (reader.depth > depthMax) refuse(reader, `must not nest groups deeper than ${depthMax}`);
  const branches: Branch[] = [];
  do branches.push(...branchesOf(reader, readItems(reader)));
  while (take(reader, '|'));
  reader.depth -= 1;
  return branches;
}

function readItems(reader: Reader): Item[] {
  const items: Item[] = [];
  for (let next = peek(reader); next !== undefined && next !== '|' && next !== ')'; next = peek(reader)) {
    items.push(readItem(reader, next));
  }
  return items;
}

function readItem(reader: Reader, next: string): Item {
  if (take(reader, '^')) return { kind: 'start' };
  if (take(reader, '$')) return { kind: 'end' };
  const atom: Item =
    next === '(' ? { kind: 'group', branches: readGroup(reader) } : { kind: 'pattern', pattern: readAtom(reader) };
  const counts = readCounts(reader);
  if (counts === undefined) return atom;
  return { kind: 'pattern', pattern: { kind: 'repeat', of: patternOf(reader, atom), ...counts } };
}

function readGroup(reader: Reader): Branch[] {
  reader.at += 1;
  if (take(reader, '?')) {
    if (peek(reader) === '<' && peek(reader, 1) !== '=' && peek(reader, 1) !== '!') {
      while (peek(reader) !== undefined && peek(reader) !== '>') reader.at += 1;
      reader.at += 1;
    } else if (!take(reader, ':')) refuse(reader, 'uses a lookaround or a flag, which is not enforced');
  }
  const branches = readBranches(reader);
  if (!take(reader, ')')) refuse(reader, 'has an unclosed (');
  return branches;
}

/** A group that is one part of more: anchors inside it would tie the middle of a text. */
function patternOf(reader: Reader, item: Item): Pattern {
  if (item.kind === 'pattern') return item.pattern;
  if (item.kind !== 'group' || item.branches.some(({ anchoredStart, anchoredEnd }) => anchoredStart || anchoredEnd)) {
    return refuse(reader, 'uses ^ or $ in the middle, which is not enforced');
  }
  const options = item.branches.map(({ pattern }) => pattern);
  const [only, ...others] = options;
  return only !== undefined && others.length === 0 ? only : { kind: 'choice', options };
}

function branchesOf(reader: Reader, items: readonly Item[]): Branch[] {
  let from = 0;
  let to = items.length;
  while (from < to && items[from]?.kind === 'start') from += 1;
  while (to > from && items[to - 1]?.kind === 'end') to -= 1;
  const [first, ...rest] = items.slice(from, to);
  const anchors = { anchoredStart: from > 0, anchoredEnd: to < items.length };
  if (first === undefined) return [{ pattern: emptyPattern, ...anchors }];
  if (first.kind === 'group' && rest.length === 0) {
    return first.branches.map(({ pattern, anchoredStart, anchoredEnd }) => ({
      pattern,
      anchoredStart: anchoredStart || anchors.anchoredStart,
      anchoredEnd: anchoredEnd || anchors.anchoredEnd,
    }));
  }
  return [{ pattern: joined([first, ...rest].map((item) => patternOf(reader, item))), ...anchors }];
}

function readAtom(reader: Reader): Pattern {
  const character = peek(reader) ?? '';
  if (character === '[') return { kind: 'chars', set: readClass(reader) };
  if (character === '\\') return { kind: 'chars', set: readEscape(reader) };
  if ('*+?{'.includes(character)) refuse(reader, 'repeats nothing');
  reader.at += 1;
  return { kind: 'chars', set: character === '.' ? anyChar : charsOf(character) };
}

function readCounts(reader: Reader): { min: number; max: number | undefined } | undefined {
  const counts = readBareCounts(reader);
  // A lazy repeat matches the same texts.
  if (counts !== undefined) take(reader, '?');
  if (counts !== undefined && '*+?{'.includes(peek(reader) ?? ' ')) refuse(reader, 'repeats a repeat');
  return counts;
}

function readBareCounts(reader: Reader): { min: number; max: number | undefined } | undefined {
  if (take(reader, '*')) return { min: 0, max: undefined };
  if (take(reader, '+')) return { min: 1, max: undefined };
  if (take(reader, '?')) return { min: 0, max: 1 };
  if (!take(reader, '{')) return undefined;
  const start = reader.at;
  while (peek(reader) !== undefined && peek(reader) !== '}') reader.at += 1;
  const match = /^(\d+)(?:(,)(\d*))?$/.exec(reader.source.slice(start, reader.at).join(''));
  if (match === null || !take(reader, '}')) return refuse(reader, 'has a { that is no count; write \\{');
  const min = Number(match[1]);
  const max = match[2] === undefined ? min : match[3] === '' ? undefined : Number(match[3]);
  if (min > countMax || (max ?? 0) > countMax) refuse(reader, `must not repeat more than ${countMax} times`);
  if (max !== undefined && max < min) refuse(reader, 'has a count whose bounds are out of order');
  return { min, max };
}

function readClass(reader: Reader): CharSet {
  reader.at += 1;
  const isNegated = take(reader, '^');
  const sets: CharSet[] = [];
  while (!take(reader, ']')) {
    const from = readClassMember(reader);
    const single = singleOf(from);
    if (single === undefined || peek(reader) !== '-' || peek(reader, 1) === ']' || peek(reader, 1) === undefined) {
      sets.push(from);
      continue;
    }
    reader.at += 1;
    const to = singleOf(readClassMember(reader));
    if (to === undefined || to < single) return refuse(reader, 'has a range that is out of order');
    sets.push(charSet([[single, to]]));
  }
  const set = union(...sets);
  const members = isNegated ? complement(set) : set;
  return members.length === 0 ? refuse(reader, 'has a class that no character matches') : members;
}

function readClassMember(reader: Reader): CharSet {
  const character = peek(reader);
  if (character === undefined) return refuse(reader, 'has an unclosed [');
  if (character === '\\') return peek(reader, 1) === 'b' ? takeAs(reader, 2, '\b') : readEscape(reader);
  return takeAs(reader, 1, character);
}

function takeAs(reader: Reader, length: number, character: string): CharSet {
  reader.at += length;
  return charsOf(character);
}

/** The only character of a set; undefined when there are more. */
function singleOf([first, ...rest]: CharSet): number | undefined {
  return first !== undefined && rest.length === 0 && first[0] === first[1] ? first[0] : undefined;
}

function readEscape(reader: Reader): CharSet {
  const name = peek(reader, 1);
  if (name === undefined) return refuse(reader, 'ends in a lone \\');
  const known = classEscapes[name];
  if (known !== undefined) return takeSet(reader, known);
  const control = controlEscapes[name];
  if (control !== undefined) return takeAs(reader, 2, control);
  if (name === 'u' || name === 'x') return readCodePoint(reader);
  if (name === 'c' && /[A-Za-z]/.test(peek(reader, 2) ?? '')) {
    return takeAs(reader, 3, String.fromCharCode((peek(reader, 2) ?? '').charCodeAt(0) % 32));
  }
  if (/[A-Za-z1-9]/.test(name)) return refuse(reader, `uses \\${name}, which is not enforced`);
  return takeAs(reader, 2, name);
}

function takeSet(reader: Reader, set: CharSet): CharSet {
  reader.at += 2;
  return set;
}

function readCodePoint(reader: Reader): CharSet {
  const rest = reader.source.slice(reader.at, reader.at + 12).join('');
  const pair = /^\\u(d[89ab][0-9a-f]{2})\\u(d[c-f][0-9a-f]{2})/i.exec(rest);
  const match = pair ?? /^\\(?:u\{([0-9a-f]{1,6})\}|u([0-9a-f]{4})|x([0-9a-f]{2}))/i.exec(rest);
  if (match === null) return refuse(reader, 'has a \\u or \\x that names no character');
  const units = pair === null ? [match[1] ?? match[2] ?? match[3] ?? ''] : [match[1] ?? '', match[2] ?? ''];
  const codes = units.map((unit) => Number.parseInt(unit, 16));
  const code = pair === null ? (codes[0] ?? 0) : (String.fromCharCode(...codes).codePointAt(0) ?? 0);
  if (code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) return refuse(reader, 'names half a character');
  return takeAs(reader, match[0].length, String.fromCodePoint(code));
}
