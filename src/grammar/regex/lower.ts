// From patterns to rules of a grammar: of a text itself, or of a JSON string that holds the text.

import { type CharSet, complement, sizeOf } from '../ebnf/characters.ts';
import { choice, type Expression, oneOf, type Rules, rule, sequence } from '../ebnf/expression.ts';
import { asWritable } from '../ebnf/print.ts';
import { automatonOf, intersectAutomata, limitLengths, statesMax } from './automaton.ts';
import type { Automaton } from './minimize.ts';
import { type Branch, type Lengths, lengthsOf, type Pattern } from './syntax.ts';

/** How one character of a set is written in the output; undefined when the set cannot be written. */
export type CharWriter = (set: CharSet) => Expression | undefined;

export type LoweredRegex =
  | { readonly kind: 'lowered'; readonly value: Expression }
  /** No text is allowed by all of the patterns. */
  | { readonly kind: 'nothing' }
  /** Continues the sentence `pattern ...`. */
  | { readonly kind: 'refused'; readonly rule: string };

export interface PatternUse {
  readonly rules: Rules;
  /** Begins the names of the rules; not taken by others. */
  readonly name: string;
  readonly write: CharWriter;
  /** What is written where a text ends: a closing quote, or nothing. */
  readonly end: Expression;
  readonly lookahead?: string;
  readonly lengths?: Lengths;
}

const anyText: Pattern = { kind: 'repeat', of: { kind: 'chars', set: complement([]) }, min: 0, max: undefined };
const tooLarge = `must not need more than ${statesMax} states with the lengths and patterns that it is joined with`;
const unwritable =
  'has a class of characters beyond ASCII that is too large to be enforced (256 at most, or all but ASCII ones)';

/** Characters as they are. */
export const writePlain: CharWriter = (set) => {
  const writable = asWritable(set);
  return writable === undefined ? undefined : oneOf(writable);
};

/** The whole text is one match. */
export function wholePattern(branches: readonly Branch[]): Pattern {
  return { kind: 'choice', options: branches.map(({ pattern }) => pattern) };
}

/** The text contains a match, as JSON Schema's `pattern` has it. */
export function searchPattern(branches: readonly Branch[]): Pattern {
  const options = branches.map(
    ({ pattern, anchoredStart, anchoredEnd }): Pattern => ({
      kind: 'sequence',
      parts: [...(anchoredStart ? [] : [anyText]), pattern, ...(anchoredEnd ? [] : [anyText])],
    }),
  );
  return { kind: 'choice', options };
}

/** A text as a pattern. */
export function literalPattern(value: string): Pattern {
  const parts = [...value].map((character): Pattern => {
    const code = character.codePointAt(0) ?? 0;
    return { kind: 'chars', set: [[code, code]] };
  });
  return { kind: 'sequence', parts };
}

/** Texts that all of the patterns allow. Adds a rule for each state in which texts may part. */
export function lowerPatterns(patterns: readonly Pattern[], use: PatternUse): LoweredRegex {
  const automaton = joinAll(patterns, use.lengths);
  if (automaton === undefined) return { kind: 'refused', rule: tooLarge };
  if (automaton.length === 0) return { kind: 'nothing' };
  return write(automaton, use)
    ? { kind: 'lowered', value: rule(`${use.name}_0`) }
    : { kind: 'refused', rule: unwritable };
}

function joinAll(patterns: readonly Pattern[], lengths: Lengths | undefined): Automaton | undefined {
  let joined: Automaton | undefined;
  for (const pattern of patterns) {
    const automaton = automatonOf(pattern);
    if (automaton === undefined) return undefined;
    joined = joined === undefined ? automaton : intersectAutomata(joined, automaton);
    if (joined === undefined) return undefined;
  }
  const isBounded = lengths === undefined || patterns.some((pattern) => isWithin(lengthsOf(pattern), lengths));
  return joined === undefined || isBounded ? joined : limitLengths(joined, lengths);
}

function isWithin(inner: Lengths, outer: Lengths): boolean {
  return inner.min >= outer.min && (outer.max === undefined || (inner.max !== undefined && inner.max <= outer.max));
}

/** Adds the rules; false when a set of characters cannot be written. */
function write(automaton: Automaton, { rules, name, end, lookahead, write: writeChar }: PatternUse): boolean {
  for (const [index, { isEnd, moves }] of automaton.entries()) {
    const options: Expression[] = isEnd ? [end] : [];
    for (const { set, to } of moves) {
      const character = writeChar(set);
      if (character === undefined) return false;
      options.push(sequence(character, ...tailFrom(automaton, to, { name, writeChar })));
    }
    rules.set(`${name}_${index}`, { body: choice(options), ...(lookahead === undefined ? {} : { lookahead }) });
  }
  return true;
}

/** The way from a state on: as text while there is only one, then the rule of the state where ways part. */
function tailFrom(
  automaton: Automaton,
  from: number,
  { name, writeChar }: { readonly name: string; readonly writeChar: CharWriter },
): Expression[] {
  const way: Expression[] = [];
  let state = from;
  for (let hops = 0; hops < automaton.length; hops++) {
    const found = automaton[state];
    const [only, ...others] = found?.moves ?? [];
    if (found === undefined || found.isEnd || only === undefined || others.length > 0 || sizeOf(only.set) > 1) break;
    const character = writeChar(only.set);
    if (character === undefined) break;
    way.push(character);
    state = only.to;
  }
  return [...way, rule(`${name}_${state}`)];
}
