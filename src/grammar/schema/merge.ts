// Two alternatives that must hold at once, as one.

import type { Json } from '../types.ts';
import {
  type ArrayConstraints,
  type Constraints,
  type ObjectConstraints,
  restOf,
  type TypeName,
} from './constraints.ts';
import { sameJson } from './json-values.ts';
import type { Located } from './located.ts';

/** A member that must not be there. */
const never: Located = { schema: false, path: [] };

export type Merged =
  | { readonly kind: 'merged'; readonly value: Constraints }
  /** Nothing can be both. */
  | { readonly kind: 'nothing' }
  /** Their keywords cannot be enforced together; continues `... `. */
  | { readonly kind: 'refused'; readonly rule: string };

export function mergeConstraints(a: Constraints, b: Constraints): Merged {
  const types = mergeTypes(a.types, b.types);
  const literals = mergeLiterals(a.literals, b.literals);
  if (types.size === 0 || literals?.length === 0) return { kind: 'nothing' };
  const format = a.string.format ?? b.string.format;
  if (b.string.format !== undefined && format !== b.string.format) {
    return {
      kind: 'refused',
      rule: `joins the formats ${format} and ${b.string.format}, which are not enforced together`,
    };
  }
  const multipleOf = mergeMultiples(a.number.multipleOf, b.number.multipleOf);
  if (a.object.patterns.length > 0 && b.object.patterns.length > 0) {
    return { kind: 'refused', rule: 'joins two patternProperties, which are not enforced together' };
  }
  return {
    kind: 'merged',
    value: {
      types,
      literals,
      number: {
        minimum: Math.max(a.number.minimum, b.number.minimum),
        maximum: Math.min(a.number.maximum, b.number.maximum),
        exclusiveMinimum: Math.max(a.number.exclusiveMinimum, b.number.exclusiveMinimum),
        exclusiveMaximum: Math.min(a.number.exclusiveMaximum, b.number.exclusiveMaximum),
        multipleOf,
      },
      string: {
        lengthMin: Math.max(a.string.lengthMin, b.string.lengthMin),
        lengthMax: Math.min(a.string.lengthMax, b.string.lengthMax),
        patterns: [...new Set([...a.string.patterns, ...b.string.patterns])],
        format,
      },
      array: mergeArrays(a.array, b.array),
      object: mergeObjects(a.object, b.object),
    },
  };
}

function mergeTypes(a: ReadonlySet<TypeName>, b: ReadonlySet<TypeName>): ReadonlySet<TypeName> {
  const both = [...a].filter((type) => b.has(type) || (type === 'integer' && b.has('number')));
  if (b.has('integer') && a.has('number')) both.push('integer');
  return new Set(both);
}

function mergeLiterals(a: readonly Json[] | undefined, b: readonly Json[] | undefined): readonly Json[] | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return a.filter((literal) => b.some((other) => sameJson(literal, other)));
}

/** The least common multiple. */
function mergeMultiples(a: number | undefined, b: number | undefined): number | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  let [large, small] = [Math.max(a, b), Math.min(a, b)];
  while (small > 0) [large, small] = [small, large % small];
  return (a / large) * b;
}

function mergeArrays(a: ArrayConstraints, b: ArrayConstraints): ArrayConstraints {
  const prefix: (readonly Located[])[] = [];
  let countMax = Math.min(a.countMax, b.countMax);
  for (let index = 0; index < Math.max(a.prefix.length, b.prefix.length); index++) {
    const both = mergeMembers(a.prefix[index] ?? a.items ?? [], b.prefix[index] ?? b.items ?? []);
    if (both === 'none') {
      countMax = Math.min(countMax, index);
      break;
    }
    prefix.push(both);
  }
  return {
    prefix,
    items: mergeOptional(a.items, b.items),
    countMin: Math.max(a.countMin, b.countMin),
    countMax,
  };
}

type Members = readonly Located[] | 'none';

function mergeMembers(a: Members, b: Members): Members {
  return a === 'none' || b === 'none' ? 'none' : [...a, ...b];
}

function mergeOptional(a: Members | undefined, b: Members | undefined): Members | undefined {
  return a === undefined || b === undefined ? (a ?? b) : mergeMembers(a, b);
}

function mergeObjects(a: ObjectConstraints, b: ObjectConstraints): ObjectConstraints {
  const properties = new Map<string, readonly Located[]>();
  for (const name of new Set([...a.properties.keys(), ...b.properties.keys()])) {
    const both = mergeMembers(a.properties.get(name) ?? restOf(a, name), b.properties.get(name) ?? restOf(b, name));
    properties.set(name, both === 'none' ? [never] : both);
  }
  return {
    properties,
    required: new Set([...a.required, ...b.required]),
    patterns: [...a.patterns, ...b.patterns],
    additional: mergeOptional(a.additional, b.additional),
    names: [...a.names, ...b.names],
    countMin: Math.max(a.countMin, b.countMin),
    countMax: Math.min(a.countMax, b.countMax),
  };
}
