// What a grammar is made of before it is text: expressions, and rules that name them.
// Why not text at once: parts are joined, repeated and measured, and quoting belongs in one place (print.ts).

import type { CharSet } from './characters.ts';

export type Expression =
  | { readonly kind: 'text'; readonly text: string }
  /** One character of the set, which is not empty. */
  | { readonly kind: 'class'; readonly set: CharSet }
  | { readonly kind: 'sequence'; readonly parts: readonly Expression[] }
  /** At least one option. */
  | { readonly kind: 'choice'; readonly options: readonly Expression[] }
  | { readonly kind: 'repeat'; readonly of: Expression; readonly min: number; readonly max: number | undefined }
  | { readonly kind: 'rule'; readonly name: string };

export const empty: Expression = { kind: 'sequence', parts: [] };

export const text = (value: string): Expression => (value === '' ? empty : { kind: 'text', text: value });
export const oneOf = (set: CharSet): Expression => ({ kind: 'class', set });
export const rule = (name: string): Expression => ({ kind: 'rule', name });
export const sequence = (...parts: readonly Expression[]): Expression => {
  const [only, ...others] = parts;
  return only !== undefined && others.length === 0 ? only : { kind: 'sequence', parts };
};
export const choice = (options: readonly Expression[]): Expression => {
  const [only, ...others] = options;
  return only !== undefined && others.length === 0 ? only : { kind: 'choice', options };
};
export const optional = (of: Expression): Expression => choice([of, empty]);
export const repeat = (of: Expression, min: number, max: number | undefined): Expression => {
  if (max === 0) return empty;
  return min === 1 && max === 1 ? of : { kind: 'repeat', of, min, max };
};

/** A rule: what it stands for, and what may follow it at every place where it is used (helps masks, changes nothing). */
export interface Rule {
  readonly body: Expression;
  /** Ready-made EBNF of a lookahead, such as `(= ws [,}])`. */
  readonly lookahead?: string;
}

/** Rules by name; `root` is where the output begins. */
export type Rules = Map<string, Rule>;
