// Takes a schema apart into alternatives without joins: `allOf` and `$ref` merge, `anyOf` and `oneOf` branch.

import type { Json } from '../types.ts';
import { anything, type Constraints } from './constraints.ts';
import { refuse, type SchemaContext } from './context.ts';
import { meets } from './json-values.ts';
import { at, isArray, isObject, type Located, resolveReference } from './located.ts';
import { mergeConstraints } from './merge.ts';
import { makeExclusive } from './one-of.ts';
import { readOwnKeywords } from './read-schema.ts';

/** More than this many alternatives of one value would not compile in time. */
const alternativesMax = 200;
/** References and joins inside one another, without a member in between. */
const depthMax = 60;

/** The alternatives in which all of the schemas hold; none when nothing can be so. */
export function flatten(context: SchemaContext, all: readonly Located[], depth = 0): readonly Constraints[] {
  let alternatives: readonly Constraints[] = [anything];
  for (const located of all) {
    alternatives = combine(context, located, { left: alternatives, right: flattenOne(context, located, depth) });
  }
  return alternatives.map(withoutRefutedLiterals).filter((alternative) => alternative.literals?.length !== 0);
}

/** Literals that the other keywords exclude are no literals. */
function withoutRefutedLiterals(constraints: Constraints): Constraints {
  const { literals } = constraints;
  if (literals === undefined) return constraints;
  return { ...constraints, literals: literals.filter((literal) => meets(literal, constraints) !== false) };
}

function flattenOne(context: SchemaContext, located: Located, depth: number): readonly Constraints[] {
  const { schema, path } = located;
  if (schema === true) return [anything];
  if (schema === false) return [];
  if (!isObject(schema)) {
    refuse(context, path, 'must be a schema: an object, true or false');
    return [anything];
  }
  if (depth > depthMax) {
    refuse(
      context,
      path,
      `must not join schemas deeper than ${depthMax}, or refer to itself without a member in between`,
    );
    return [anything];
  }
  let alternatives: readonly Constraints[] = [readOwnKeywords(context, located, schema)];
  for (const joined of joinsOf(context, located, depth)) {
    alternatives = combine(context, located, { left: alternatives, right: joined });
  }
  return alternatives.map((alternative) => closeUnevaluated(context, located, alternative));
}

/** What each join of a schema contributes. */
function joinsOf(context: SchemaContext, located: Located, depth: number): (readonly Constraints[])[] {
  const { schema } = located;
  if (!isObject(schema)) return [];
  const joins: (readonly Constraints[])[] = [];
  const reference = schema['$ref'];
  if (reference !== undefined) joins.push(flattenReference(context, located, { reference, depth }));
  const lists = (keyword: string): Located[] => listOf(context, located, keyword);
  if (schema['allOf'] !== undefined) joins.push(flatten(context, lists('allOf'), depth + 1));
  if (schema['anyOf'] !== undefined) {
    joins.push(lists('anyOf').flatMap((option) => flattenOne(context, option, depth + 1)));
  }
  if (schema['oneOf'] !== undefined) {
    const options = lists('oneOf').map((option) => flattenOne(context, option, depth + 1));
    const exclusive = makeExclusive(options, (all) => flatten({ ...context, faults: [] }, all, depth + 1));
    if (exclusive === undefined) {
      const rule =
        'has options that one value could meet at once; use anyOf, or give each a property with a const of its own';
      refuse(context, [...located.path, 'oneOf'], rule);
    }
    joins.push(exclusive ?? options.flat());
  }
  return joins;
}

function flattenReference(
  context: SchemaContext,
  { path }: Located,
  { reference, depth }: { reference: Json; depth: number },
): readonly Constraints[] {
  const target = typeof reference === 'string' ? resolveReference(context.root, reference) : undefined;
  if (target !== undefined) return flattenOne(context, target, depth + 1);
  refuse(context, [...path, '$ref'], 'must point into the schema itself, like #/$defs/name');
  return [anything];
}

function listOf(context: SchemaContext, located: Located, keyword: string): Located[] {
  const list = at(located, keyword).schema;
  if (isArray(list) && list.length > 0) return list.map((_, index) => at(located, keyword, index));
  refuse(context, [...located.path, keyword], 'must be a list of at least one schema');
  return [];
}

function combine(
  context: SchemaContext,
  { path }: Located,
  { left, right }: { left: readonly Constraints[]; right: readonly Constraints[] },
): readonly Constraints[] {
  if (left.length * right.length > alternativesMax) {
    refuse(context, path, `must not branch into more than ${alternativesMax} alternatives`);
    return left;
  }
  return left.flatMap((a) =>
    right.flatMap((b) => {
      const merged = mergeConstraints(a, b);
      if (merged.kind === 'refused') refuse(context, path, merged.rule);
      return merged.kind === 'merged' ? [merged.value] : [];
    }),
  );
}

/** `unevaluated…: false` closes what all joined schemas together left open. */
function closeUnevaluated(context: SchemaContext, { schema, path }: Located, constraints: Constraints): Constraints {
  if (!isObject(schema)) return constraints;
  const properties = schema['unevaluatedProperties'];
  const items = schema['unevaluatedItems'];
  for (const [keyword, value] of [
    ['unevaluatedProperties', properties],
    ['unevaluatedItems', items],
  ] as const) {
    const isPlain = value === undefined || typeof value === 'boolean';
    if (!isPlain) refuse(context, [...path, keyword], 'is enforced as true or false only');
  }
  const { object, array } = constraints;
  return {
    ...constraints,
    object: properties === false && object.additional === undefined ? { ...object, additional: 'none' } : object,
    array: items === false && array.items === undefined ? { ...array, items: 'none' } : array,
  };
}
