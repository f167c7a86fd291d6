// From patterns to rules of a grammar: of a text itself, or of a JSON string that holds the text.

import { must } from '../../assert.ts';
import { type CharSet, complement, sizeOf } from '../ebnf/characters.ts';
import { choice, type Expression, empty, oneOf, type Rules, rule, sequence } from '../ebnf/expression.ts';
import { asWritable } from '../ebnf/print.ts';
import { automatonOf, intersectAutomata, limitLengths, statesMax } from './automaton.ts';
import { type Automaton, automatonOfTexts } from './minimize.ts';
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

/** Texts that all of the patterns allow. Adds a rule for each state in which texts may part. */
export function lowerPatterns(patterns: readonly Pattern[], use: PatternUse): LoweredRegex {
  const automaton = joinAll(patterns, use.lengths);
  if (automaton === undefined) return { kind: 'refused', rule: tooLarge };
  if (automaton.length === 0) return { kind: 'nothing' };
  return write(automaton, use)
    ? { kind: 'lowered', value: rule(`${use.name}_0`) }
    : { kind: 'refused', rule: unwritable };
}

/** One of the texts, read letter by letter: those that begin alike part where they differ. */
export function lowerTexts(texts: readonly string[], use: PatternUse): LoweredRegex {
  if (texts.length === 0) return { kind: 'nothing' };
  const automaton = automatonOfTexts(texts);
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

/** Adds the rules of the states where ways part; false when a set of characters cannot be written. */
function write(automaton: Automaton, { rules, name, end, lookahead, write: writeChar }: PatternUse): boolean {
  const open = [0];
  for (let state = open.pop(); state !== undefined; state = open.pop()) {
    const { isEnd, moves } = must(automaton[state], 'moves lead to states');
    const options: Expression[] = isEnd ? [end] : [];
    for (const { set, to } of moves) {
      const character = writeChar(set);
      if (character === undefined) return false;
      const { way, state: parting } = followWay(automaton, to, writeChar);
      const target = `${name}_${parting}`;
      if (!rules.has(target)) {
        rules.set(target, { body: empty });
        open.push(parting);
      }
      options.push(sequence(character, ...way, rule(target)));
    }
    rules.set(`${name}_${state}`, { body: choice(options), ...(lookahead === undefined ? {} : { lookahead }) });
  }
  return true;
}

/** The way from a state on while there is only one, and the state where ways part. */
function followWay(
  automaton: Automaton,
  from: number,
  writeChar: CharWriter,
): { readonly way: readonly Expression[]; readonly state: number } {
  const way: Expression[] = [];
  let state = from;
  for (let hops = 0; hops < automaton.length; hops++) {
    const { isEnd, moves } = must(automaton[state], 'moves lead to states');
    const [only, ...others] = moves;
    if (isEnd || only === undefined || others.length > 0 || sizeOf(only.set) > 1) break;
    const character = writeChar(only.set);
    if (character === undefined) break;
    way.push(character);
    state = only.to;
  }
  return { way, state };
}
