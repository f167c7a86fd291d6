// One alternative of a schema: what a value must be, with no `allOf`, `anyOf`, `oneOf` or `$ref` left.
// Why alternatives are plain conjunctions: they can be merged keyword by keyword, and each becomes one piece of grammar.
// Schemas of members stay as lists of places, all of which hold; they are taken apart when their rule is made.

import type { Json } from '../types.ts';
import type { Located } from './located.ts';

export type TypeName = 'null' | 'boolean' | 'integer' | 'number' | 'string' | 'array' | 'object';

export interface Constraints {
  /** `number` includes integers; both are never in one set. */
  readonly types: ReadonlySet<TypeName>;
  /** The value is one of these. */
  readonly literals: readonly Json[] | undefined;
  readonly number: NumberConstraints;
  readonly string: StringConstraints;
  readonly array: ArrayConstraints;
  readonly object: ObjectConstraints;
}

export interface NumberConstraints {
  readonly minimum: number;
  readonly maximum: number;
  readonly exclusiveMinimum: number;
  readonly exclusiveMaximum: number;
  readonly multipleOf: number | undefined;
}

export interface StringConstraints {
  readonly lengthMin: number;
  readonly lengthMax: number;
  readonly patterns: readonly string[];
  readonly format: string | undefined;
}

export interface ArrayConstraints {
  readonly prefix: readonly (readonly Located[])[];
  /** Items beyond the prefix; undefined when nothing is said about them, `none` when there must not be any. */
  readonly items: readonly Located[] | 'none' | undefined;
  readonly countMin: number;
  readonly countMax: number;
}

export interface ObjectConstraints {
  readonly properties: ReadonlyMap<string, readonly Located[]>;
  readonly required: ReadonlySet<string>;
  readonly patterns: readonly { readonly pattern: string; readonly value: Located }[];
  /** Members that are neither named nor match a pattern. */
  readonly additional: readonly Located[] | 'none' | undefined;
  readonly names: readonly Located[];
  readonly countMin: number;
  readonly countMax: number;
}

export const allTypes: ReadonlySet<TypeName> = new Set(['null', 'boolean', 'number', 'string', 'array', 'object']);

const infinity = Number.POSITIVE_INFINITY;

export const anything: Constraints = {
  types: allTypes,
  literals: undefined,
  number: {
    minimum: -infinity,
    maximum: infinity,
    exclusiveMinimum: -infinity,
    exclusiveMaximum: infinity,
    multipleOf: undefined,
  },
  string: { lengthMin: 0, lengthMax: infinity, patterns: [], format: undefined },
  array: { prefix: [], items: undefined, countMin: 0, countMax: infinity },
  object: {
    properties: new Map(),
    required: new Set(),
    patterns: [],
    additional: undefined,
    names: [],
    countMin: 0,
    countMax: infinity,
  },
};

/** What is said about a member that is not named: its patterns, else `additional`. */
export function restOf(constraints: ObjectConstraints, name: string): readonly Located[] | 'none' {
  const matching = constraints.patterns.filter(({ pattern }) => matches(pattern, name)).map(({ value }) => value);
  return matching.length > 0 ? matching : (constraints.additional ?? []);
}

/** Whether a text contains a match; patterns were read before, so that this cannot fail on their syntax. */
export function matches(pattern: string, value: string): boolean {
  return toRegExp(pattern).test(value);
}

function toRegExp(pattern: string): RegExp {
  try {
    return new RegExp(pattern, 'u');
  } catch {
    return new RegExp(pattern);
  }
}
