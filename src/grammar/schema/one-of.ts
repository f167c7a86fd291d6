// Makes the options of a `oneOf` exclude one another, or finds that it cannot.
// Why by narrowing: a grammar writes one option at a time, so every text must be known to fail the others. A property whose
// constants differ does that once it is required in both, and requiring it only narrows what the schema allows.

import { type Constraints, type ObjectConstraints, restOf, type TypeName } from './constraints.ts';
import { meets, sameJson } from './json-values.ts';
import type { Located } from './located.ts';

type Flatten = (all: readonly Located[]) => readonly Constraints[];

/** The options' alternatives, narrowed; undefined when two of them may hold at once. */
export function makeExclusive(
  options: readonly (readonly Constraints[])[],
  flatten: Flatten,
): readonly Constraints[] | undefined {
  const groups = options.map((option) => [...option]);
  for (const [index, group] of groups.entries()) {
    for (const other of groups.slice(index + 1)) {
      if (!excludeGroups(group, other, flatten)) return undefined;
    }
  }
  return groups.flat();
}

function excludeGroups(group: Constraints[], other: Constraints[], flatten: Flatten): boolean {
  for (const a of group.keys()) {
    for (const b of other.keys()) {
      const left = group[a];
      const right = other[b];
      if (left === undefined || right === undefined) continue;
      const pair = exclude(left, right, flatten);
      if (pair === undefined) return false;
      [group[a], other[b]] = pair;
    }
  }
  return true;
}

/** The pair as it is, or narrowed, such that no output of either meets the other. */
function exclude(a: Constraints, b: Constraints, flatten: Flatten): [Constraints, Constraints] | undefined {
  const shared = sharedTypes(a, b);
  if (shared.length === 0 || areLiteralsApart(a, b)) return [a, b];
  if (shared.every((type) => type === 'integer' || type === 'number') && areRangesApart(a, b)) return [a, b];
  if (shared.some((type) => type !== 'object')) return undefined;
  if (misses(a.object, b.object) && misses(b.object, a.object)) return [a, b];
  const name = discriminatorOf(a.object, b.object, flatten);
  return name === undefined ? undefined : [requiring(a, name), requiring(b, name)];
}

function sharedTypes(a: Constraints, b: Constraints): TypeName[] {
  const has = (types: ReadonlySet<TypeName>, type: TypeName) =>
    types.has(type) || (type === 'integer' && types.has('number')) || (type === 'number' && types.has('integer'));
  return [...a.types].filter((type) => has(b.types, type));
}

function areLiteralsApart(a: Constraints, b: Constraints): boolean {
  const [left, right] = [a.literals, b.literals];
  if (left !== undefined && right !== undefined) return !left.some((one) => right.some((two) => sameJson(one, two)));
  if (left !== undefined) return left.every((literal) => meets(literal, b) === false);
  if (right !== undefined) return right.every((literal) => meets(literal, a) === false);
  return false;
}

function areRangesApart(a: Constraints, b: Constraints): boolean {
  return isBelow(a.number, b.number) || isBelow(b.number, a.number);
}

function isBelow(low: Constraints['number'], high: Constraints['number']): boolean {
  return (
    low.maximum < high.minimum ||
    Math.min(low.maximum, low.exclusiveMaximum) <= high.exclusiveMinimum ||
    low.exclusiveMaximum <= high.minimum
  );
}

/** Whether outputs of `a` never have a name that `b` requires: named properties are all that outputs have, if there are any. */
function misses(a: ObjectConstraints, b: ObjectConstraints): boolean {
  const writesOthers = a.properties.size === 0 ? a.additional !== 'none' : Array.isArray(a.additional);
  if (!writesOthers && [...b.required].some((name) => !a.properties.has(name) && !a.required.has(name))) return true;
  return [...a.required].some((name) => !b.properties.has(name) && restOf(b, name) === 'none');
}

/** A property of both whose values differ. */
function discriminatorOf(a: ObjectConstraints, b: ObjectConstraints, flatten: Flatten): string | undefined {
  for (const [name, left] of a.properties) {
    const right = b.properties.get(name);
    if (right === undefined) continue;
    const [lefts, rights] = [flatten(left), flatten(right)];
    const apart = lefts.every((one) =>
      rights.every((two) => sharedTypes(one, two).length === 0 || areLiteralsApart(one, two)),
    );
    if (apart) return name;
  }
  return undefined;
}

function requiring(constraints: Constraints, name: string): Constraints {
  const { object } = constraints;
  return { ...constraints, object: { ...object, required: new Set([...object.required, name]) } };
}
