// Questions about plain JSON values: are two the same, and does one meet an alternative's constraints.

import type { Json } from '../types.ts';
import { type Constraints, matches, type TypeName } from './constraints.ts';
import { isArray, isObject } from './located.ts';

/** Equality as JSON Schema has it: by value, members in any order. */
export function sameJson(a: Json, b: Json): boolean {
  if (isArray(a) && isArray(b))
    return a.length === b.length && a.every((item, index) => sameJson(item, b[index] ?? null));
  if (isObject(a) && isObject(b)) {
    const names = Object.keys(a);
    return (
      names.length === Object.keys(b).length &&
      names.every((name) => Object.hasOwn(b, name) && sameJson(a[name] ?? null, b[name] ?? null))
    );
  }
  return a === b;
}

/** Whether a value meets all but the literals; undefined where that would take looking into members. */
export function meets(value: Json, constraints: Constraints): boolean | undefined {
  if (!typesOf(value).some((type) => constraints.types.has(type))) return false;
  if (typeof value === 'string') return meetsString(value, constraints);
  if (typeof value === 'number') return meetsNumber(value, constraints);
  if (isArray(value)) {
    const { prefix, items, countMin, countMax } = constraints.array;
    if (value.length < countMin || value.length > countMax) return false;
    return prefix.length === 0 && items === undefined ? true : undefined;
  }
  if (isObject(value)) return meetsObject(Object.keys(value), constraints);
  return true;
}

function typesOf(value: Json): readonly TypeName[] {
  if (value === null) return ['null'];
  if (typeof value === 'boolean') return ['boolean'];
  if (typeof value === 'number') return Number.isInteger(value) ? ['integer', 'number'] : ['number'];
  if (typeof value === 'string') return ['string'];
  return isArray(value) ? ['array'] : ['object'];
}

function meetsString(value: string, { string }: Constraints): boolean | undefined {
  const length = [...value].length;
  if (length < string.lengthMin || length > string.lengthMax) return false;
  if (!string.patterns.every((pattern) => matches(pattern, value))) return false;
  return string.format === undefined ? true : undefined;
}

function meetsNumber(value: number, { number }: Constraints): boolean {
  return (
    value >= number.minimum &&
    value <= number.maximum &&
    value > number.exclusiveMinimum &&
    value < number.exclusiveMaximum &&
    (number.multipleOf === undefined || value % number.multipleOf === 0)
  );
}

function meetsObject(names: readonly string[], { object }: Constraints): boolean | undefined {
  if (names.length < object.countMin || names.length > object.countMax) return false;
  if ([...object.required].some((name) => !names.includes(name))) return false;
  const isFree =
    object.properties.size === 0 &&
    object.patterns.length === 0 &&
    object.additional === undefined &&
    object.names.length === 0;
  return isFree ? true : undefined;
}
