// From a regular expression to an expression of the grammar: of the text itself, or of a JSON string that holds the text.

import { assertNever } from '../../assert.ts';
import { type CharSet, complement } from '../ebnf/characters.ts';
import { choice, type Expression, oneOf, repeat, sequence } from '../ebnf/expression.ts';
import { asWritable } from '../ebnf/print.ts';
import { bound } from './bound.ts';
import { parseRegex } from './parse.ts';
import { type Branch, type Lengths, lengthsOf, type Pattern } from './syntax.ts';

/** How one character of a set is written in the output; undefined when the set cannot be written. */
export type CharWriter = (set: CharSet) => Expression | undefined;

export type LoweredRegex =
  | { readonly kind: 'lowered'; readonly value: Expression }
  /** Continues the sentence `pattern ...`. */
  | { readonly kind: 'refused'; readonly rule: string };

export interface RegexUse {
  /** `whole`: the text is one match. `search`: the text contains a match, as in JSON Schema. */
  readonly match: 'whole' | 'search';
  readonly write: CharWriter;
  readonly lengths?: Lengths;
}

const anyText: Pattern = { kind: 'repeat', of: { kind: 'chars', set: complement([]) }, min: 0, max: undefined };
/** Patterns without their repeats unrolled larger than this would not compile in time. */
const unrolledMax = 20_000;

/** Characters as they are. */
export const writePlain: CharWriter = (set) => {
  const writable = asWritable(set);
  return writable === undefined ? undefined : oneOf(writable);
};

export function lowerRegex(
  source: string,
  { match, write, lengths = { min: 0, max: undefined } }: RegexUse,
): LoweredRegex {
  const parsed = parseRegex(source);
  if (parsed.kind === 'refused') return parsed;
  const options = parsed.branches.map((branch) => (match === 'whole' ? branch.pattern : withSurroundings(branch)));
  const pattern: Pattern = { kind: 'choice', options };
  const bounded = bound(pattern, lengths);
  if (bounded === undefined) {
    return { kind: 'refused', rule: `cannot be combined with lengths from ${lengths.min} to ${lengths.max ?? 'any'}` };
  }
  if (unrolledSize(bounded) > unrolledMax) {
    return { kind: 'refused', rule: `must not unroll to more than ${unrolledMax} characters` };
  }
  const value = lower(bounded, write);
  const rule =
    'has a class of characters beyond ASCII that is too large to be enforced (256 at most, or all but ASCII ones)';
  return value === undefined ? { kind: 'refused', rule } : { kind: 'lowered', value };
}

function withSurroundings({ pattern, anchoredStart, anchoredEnd }: Branch): Pattern {
  return { kind: 'sequence', parts: [...(anchoredStart ? [] : [anyText]), pattern, ...(anchoredEnd ? [] : [anyText])] };
}

function unrolledSize(pattern: Pattern): number {
  switch (pattern.kind) {
    case 'chars':
      return 1;
    case 'sequence':
      return pattern.parts.reduce((sum, part) => sum + unrolledSize(part), 0);
    case 'choice':
      return pattern.options.reduce((sum, option) => sum + unrolledSize(option), 0);
    case 'repeat':
      return unrolledSize(pattern.of) * Math.max(1, pattern.max ?? pattern.min);
  }
}

function lower(pattern: Pattern, write: CharWriter): Expression | undefined {
  switch (pattern.kind) {
    case 'chars':
      return write(pattern.set);
    case 'sequence': {
      const parts = all(pattern.parts.map((part) => lower(part, write)));
      return parts === undefined ? undefined : sequence(...parts);
    }
    case 'choice': {
      const options = all(pattern.options.map((option) => lower(option, write)));
      return options === undefined ? undefined : choice(options);
    }
    case 'repeat': {
      const of = lower(pattern.of, write);
      if (of === undefined) return undefined;
      // An empty text repeated is an empty text; without this, repeats of it would never end.
      return lengthsOf(pattern.of).max === 0 ? of : repeat(of, pattern.min, pattern.max);
    }
    default:
      return assertNever(pattern);
  }
}

function all<T>(values: readonly (T | undefined)[]): T[] | undefined {
  const present = values.filter((value) => value !== undefined);
  return present.length === values.length ? present : undefined;
}
