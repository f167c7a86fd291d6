// Regular expressions as data. Anchors are resolved by then: a pattern is the whole text it matches.

import type { CharSet } from '../ebnf/characters.ts';

export type Pattern =
  | { readonly kind: 'chars'; readonly set: CharSet }
  | { readonly kind: 'sequence'; readonly parts: readonly Pattern[] }
  | { readonly kind: 'choice'; readonly options: readonly Pattern[] }
  | { readonly kind: 'repeat'; readonly of: Pattern; readonly min: number; readonly max: number | undefined };

/** One alternative at the top of a regular expression, with what its ends are tied to. */
export interface Branch {
  readonly pattern: Pattern;
  readonly anchoredStart: boolean;
  readonly anchoredEnd: boolean;
}

export const emptyPattern: Pattern = { kind: 'sequence', parts: [] };
export const joined = (parts: readonly Pattern[]): Pattern => {
  const [only, ...others] = parts;
  return only !== undefined && others.length === 0 ? only : { kind: 'sequence', parts };
};

/** Lengths in characters that a pattern can match; `max` undefined means no bound. */
export interface Lengths {
  readonly min: number;
  readonly max: number | undefined;
}

export function lengthsOf(pattern: Pattern): Lengths {
  switch (pattern.kind) {
    case 'chars':
      return { min: 1, max: 1 };
    case 'sequence':
      return pattern.parts.map(lengthsOf).reduce(plus, { min: 0, max: 0 });
    case 'choice': {
      const options = pattern.options.map(lengthsOf);
      const maxima = options.map(({ max }) => max);
      return {
        min: Math.min(...options.map(({ min }) => min)),
        max: maxima.includes(undefined) ? undefined : Math.max(...maxima.map((max) => max ?? 0)),
      };
    }
    case 'repeat': {
      const once = lengthsOf(pattern.of);
      const max =
        once.max === 0 ? 0 : once.max === undefined || pattern.max === undefined ? undefined : once.max * pattern.max;
      return { min: once.min * pattern.min, max };
    }
  }
}

export function plus(a: Lengths, b: Lengths): Lengths {
  return { min: a.min + b.min, max: a.max === undefined || b.max === undefined ? undefined : a.max + b.max };
}
