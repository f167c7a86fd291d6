// Arrays of a schema as grammar.

import { type Expression, empty, optional, sequence, text } from '../ebnf/expression.ts';
import { arrayOf, list } from '../json/text-rules.ts';
import type { ArrayConstraints } from './constraints.ts';
import type { Located } from './located.ts';
import type { Lowering } from './lowering.ts';

/** Larger counts make grammars that do not compile in time. */
const countMaxMax = 5000;

/** Undefined when no array has such items. */
export function lowerArray(lowering: Lowering, array: ArrayConstraints): Expression | undefined {
  const { use } = lowering;
  const max = Number.isFinite(array.countMax) ? array.countMax : undefined;
  if (array.countMin > (max ?? array.countMin)) return undefined;
  if (array.countMin > countMaxMax || (max ?? 0) > countMaxMax) {
    lowering.refuse(`must not ask for more than ${countMaxMax} items`);
    return undefined;
  }
  const further = itemOf(lowering, array.items === 'none' ? [{ schema: false, path: [] }] : (array.items ?? []));
  // With items named by place and nothing said of others, there are no others.
  const goesOn = array.items !== undefined || array.prefix.length === 0 || array.countMin > array.prefix.length;
  const tail = goesOn ? further : undefined;
  if (array.prefix.length === 0) {
    if (tail === undefined) return array.countMin > 0 ? undefined : arrayOf(use, empty);
    return arrayOf(use, list(use, tail, { min: array.countMin, max }));
  }
  const prefix = array.prefix.slice(0, max).map((item) => itemOf(lowering, item));
  const items = placesFrom(lowering, { prefix, tail, min: array.countMin, max }, 0);
  return items === undefined ? undefined : arrayOf(use, items);
}

/** An item and the white space after it, as a rule: it is repeated. */
function itemOf(lowering: Lowering, item: readonly Located[]): Expression | undefined {
  const value = lowering.valueOf(item);
  if (value === undefined) return undefined;
  return lowering.addRule(lowering.newName('item'), sequence(value, lowering.use('json_ws')));
}

interface Places {
  readonly prefix: readonly (Expression | undefined)[];
  readonly tail: Expression | undefined;
  readonly min: number;
  readonly max: number | undefined;
}

/** Items from a place on, with the comma before them; undefined when an item that must be there cannot be. */
function placesFrom(lowering: Lowering, places: Places, index: number): Expression | undefined {
  const { prefix, tail, min, max } = places;
  const comma = index === 0 ? [] : [text(','), lowering.use('json_ws')];
  if (index < prefix.length) {
    const item = prefix[index];
    const rest = item === undefined ? undefined : placesFrom(lowering, places, index + 1);
    if (item === undefined || rest === undefined) return index < min ? undefined : empty;
    const here = sequence(...comma, item, rest);
    return index < min ? here : optional(here);
  }
  const missing = Math.max(0, min - index);
  if (tail === undefined) return missing > 0 ? undefined : empty;
  const more = list(lowering.use, tail, { min: missing, max: max === undefined ? undefined : max - index });
  if (more === empty) return empty;
  const withComma = sequence(
    ...comma,
    list(lowering.use, tail, { min: Math.max(1, missing), max: max === undefined ? undefined : max - index }),
  );
  return missing > 0 ? withComma : optional(withComma);
}
