// The rules that every JSON grammar shares: white space, strings, numbers, any value.
// Why white space is bounded: a model may otherwise write blanks until its tokens run out.
// Why strings recurse and say what follows them: XGrammar sorts tokens by what a rule and its lookahead allow when it
// compiles; a string rule without it asks about thousands of tokens at each step (60 ms instead of 0.2, vocabulary of 74K).
// Why numbers are bounded: more digits than a double holds would be read as another number.

import { assert } from '../../assert.ts';
import type { CharSet } from '../ebnf/characters.ts';
import { charsOf, complement, union } from '../ebnf/characters.ts';
import {
  choice,
  type Expression,
  empty,
  oneOf,
  optional,
  type Rules,
  repeat,
  rule,
  sequence,
  text,
} from '../ebnf/expression.ts';

/** Adds a shared rule when it is first used; answers its name as an expression. */
export type UseRule = (name: SharedRule) => Expression;
export type SharedRule = keyof typeof makers;

export const digit: CharSet = [[0x30, 0x39]];
const hexDigit = charsOf('0123456789abcdefABCDEF');
/** Characters that stand for themselves in a JSON string. */
export const plainChars = complement(union([[0, 0x1f]], charsOf('"\\')));
/** Indentation after a line break, in blanks or tabs. */
const indentMax = 32;
const blockChars = 16;
/** Up to this length every count is a rule of its own; longer strings are counted in blocks as well. */
const chainMax = 48;

/** What follows a string in JSON: a lookahead of its rules. */
export const afterString = '(= json_ws [,}\\]:])';

const makers = {
  json_ws: () => choice([empty, text(' '), sequence(text('\n'), repeat(oneOf(charsOf(' \t')), 0, indentMax))]),
  // A surrogate comes as half of a pair; ways part at one character each, as everywhere (regex/automaton.ts says why).
  json_escape: () => {
    const hex = (count: number): Expression => repeat(oneOf(hexDigit), count, count);
    const low = sequence(text('\\u'), oneOf(charsOf('dD')), oneOf(charsOf('cdefCDEF')), hex(2));
    const afterD = choice([
      sequence(oneOf(charsOf('01234567')), hex(2)),
      sequence(oneOf(charsOf('89abAB')), hex(2), low),
    ]);
    const code = choice([
      sequence(oneOf(charsOf('0123456789abcefABCEF')), hex(3)),
      sequence(oneOf(charsOf('dD')), afterD),
    ]);
    return choice([oneOf(charsOf('"\\/bfnrt')), sequence(text('u'), code)]);
  },
  json_char: (use: UseRule) => choice([oneOf(plainChars), sequence(text('\\'), use('json_escape'))]),
  json_block: (use: UseRule) => repeat(use('json_char'), blockChars, blockChars),
  json_string: (use: UseRule) => sequence(text('"'), use('json_rest')),
  json_rest: (use: UseRule) =>
    choice([
      text('"'),
      sequence(oneOf(plainChars), rule('json_rest')),
      sequence(text('\\'), use('json_escape'), rule('json_rest')),
    ]),
  json_integer: () =>
    sequence(optional(text('-')), choice([text('0'), sequence(oneOf([[0x31, 0x39]]), repeat(oneOf(digit), 0, 15))])),
  json_number: (use: UseRule) =>
    sequence(
      use('json_integer'),
      optional(sequence(text('.'), repeat(oneOf(digit), 1, 16))),
      optional(sequence(oneOf(charsOf('eE')), optional(oneOf(charsOf('+-'))), repeat(oneOf(digit), 1, 2))),
    ),
  json_member: (use: UseRule) => member(use, use('json_string'), use('json_value')),
  json_object: (use: UseRule) => objectOf(use, list(use, use('json_member'), { min: 0, max: undefined })),
  json_array: (use: UseRule) =>
    arrayOf(use, list(use, sequence(use('json_value'), use('json_ws')), { min: 0, max: undefined })),
  json_value: (use: UseRule) =>
    choice([
      use('json_object'),
      use('json_array'),
      use('json_string'),
      use('json_number'),
      text('true'),
      text('false'),
      text('null'),
    ]),
} as const;

const lookaheads: Partial<Record<SharedRule, string>> = { json_string: afterString, json_rest: afterString };

/** Shared rules of one grammar. */
export function createUseRule(rules: Rules): UseRule {
  const use: UseRule = (name) => {
    if (!rules.has(name)) {
      // Listed before it is made: rules of values refer to one another.
      rules.set(name, { body: empty });
      const lookahead = lookaheads[name];
      // The lookahead names the white space rule.
      if (lookahead !== undefined) use('json_ws');
      const make: (use: UseRule) => Expression = makers[name];
      rules.set(name, { body: make(use), ...(lookahead === undefined ? {} : { lookahead }) });
    }
    return rule(name);
  };
  return use;
}

/** `"key": value` with the white space around the value. */
export function member(use: UseRule, key: Expression, value: Expression): Expression {
  return sequence(key, text(':'), use('json_ws'), value, use('json_ws'));
}

export function objectOf(use: UseRule, members: Expression): Expression {
  return sequence(text('{'), use('json_ws'), members, text('}'));
}

export function arrayOf(use: UseRule, items: Expression): Expression {
  return sequence(text('['), use('json_ws'), items, text(']'));
}

/** `part` at least `min` and at most `max` times, separated by commas. Each part ends in white space. */
export function list(
  use: UseRule,
  part: Expression,
  { min, max }: { readonly min: number; readonly max: number | undefined },
): Expression {
  if (max === 0) return empty;
  const further = repeat(
    sequence(text(','), use('json_ws'), part),
    Math.max(0, min - 1),
    max === undefined ? undefined : max - 1,
  );
  const some = sequence(part, further);
  return min === 0 ? optional(some) : some;
}

export interface StringLengths {
  readonly min: number;
  readonly max: number | undefined;
}

/** A JSON string of any characters, with a length in characters. */
export function stringOf(rules: Rules, use: UseRule, { min, max }: StringLengths): Expression {
  if (min === 0 && max === undefined) return use('json_string');
  const name = `json_string_${min}_${max ?? 'any'}`;
  if (!rules.has(name)) {
    const body = sequence(
      text('"'),
      ...chars(use, min),
      max === undefined ? use('json_rest') : atMost(rules, use, max - min),
    );
    rules.set(name, { body, lookahead: afterString });
    use('json_ws');
  }
  return rule(name);
}

/** Exactly `count` characters. */
function chars(use: UseRule, count: number): Expression[] {
  const blocks = count > chainMax ? Math.floor(count / blockChars) : 0;
  const singles = count - blocks * blockChars;
  return [
    ...(blocks > 0 ? [repeat(use('json_block'), blocks, blocks)] : []),
    ...(singles > 0 ? [repeat(use('json_char'), singles, singles)] : []),
  ];
}

/** At most `count` characters and the closing quote. */
function atMost(rules: Rules, use: UseRule, count: number): Expression {
  assert(count >= 0, `a string has at least its shortest length. Given: ${count}`);
  if (count <= chainMax) return chain(rules, use, count);
  // Blocks and a chain that is at least as long as a block less one make every length up to `count`.
  const blocks = Math.floor((count - (blockChars - 1)) / blockChars);
  return sequence(repeat(use('json_block'), 0, blocks), chain(rules, use, count - blocks * blockChars));
}

function chain(rules: Rules, use: UseRule, count: number): Expression {
  for (let left = 0; left <= count; left++) {
    const name = `json_rest_${left}`;
    if (rules.has(name)) continue;
    const further = rule(`json_rest_${left - 1}`);
    const options = [sequence(oneOf(plainChars), further), sequence(text('\\'), use('json_escape'), further)];
    rules.set(name, { body: choice([text('"'), ...(left > 0 ? options : [])]), lookahead: afterString });
  }
  return rule(`json_rest_${count}`);
}
