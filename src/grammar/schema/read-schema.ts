// The keywords of one schema object, without those that join schemas, as constraints.

import { parseRegex } from '../regex/parse.ts';
import type { Json, JsonObject } from '../types.ts';
import {
  type ArrayConstraints,
  anything,
  type Constraints,
  matches,
  type NumberConstraints,
  type ObjectConstraints,
  type StringConstraints,
  type TypeName,
} from './constraints.ts';
import { refuse, type SchemaContext } from './context.ts';
import { isFormat } from './formats.ts';
import { annotations, enforced, isExtension, refusals } from './keywords.ts';
import { at, isArray, isObject, type Located } from './located.ts';

interface Reading {
  readonly context: SchemaContext;
  readonly located: Located;
  readonly schema: JsonObject;
}

/** Reads what stands in the object itself; refuses keywords that would have no effect. */
export function readOwnKeywords(context: SchemaContext, located: Located, schema: JsonObject): Constraints {
  const reading = { context, located, schema };
  checkNames(reading);
  const number = readNumber(reading);
  const types = readTypes(reading);
  return {
    types,
    literals: readLiterals(reading),
    number,
    string: readString(reading),
    array: readArray(reading),
    object: readObject(reading),
  };
}

function fault({ context, located }: Reading, keyword: string, rule: string): void {
  refuse(context, [...located.path, keyword], rule);
}

function checkNames(reading: Reading): void {
  const { schema } = reading;
  for (const keyword of Object.keys(schema)) {
    if (annotations.has(keyword) || enforced.has(keyword) || isExtension(keyword)) continue;
    if (isWithoutEffect(keyword, schema)) continue;
    const why = refusals.get(keyword);
    fault(reading, keyword, why ?? 'is no keyword that is known here, and would have no effect');
  }
}

/** `if` alone, and counts of `contains` without it, say nothing by themselves. */
function isWithoutEffect(keyword: string, schema: JsonObject): boolean {
  if (keyword === 'if') return schema['then'] === undefined && schema['else'] === undefined;
  if (keyword === 'then' || keyword === 'else') return schema['if'] === undefined;
  if (keyword === 'minContains' || keyword === 'maxContains') return schema['contains'] === undefined;
  const value = schema[keyword];
  const isDependencies = keyword === 'dependencies' || keyword === 'dependentSchemas';
  return isDependencies && isObject(value) && Object.keys(value).length === 0;
}

const typeNames: readonly string[] = ['null', 'boolean', 'integer', 'number', 'string', 'array', 'object'];
const isTypeName = (value: Json): value is TypeName => typeof value === 'string' && typeNames.includes(value);

function readTypes(reading: Reading): ReadonlySet<TypeName> {
  const { type, nullable } = reading.schema;
  if (type === undefined) return anything.types;
  const list = isArray(type) ? type : [type];
  const named = list.filter(isTypeName);
  if (named.length !== list.length || named.length === 0) {
    fault(reading, 'type', `must be one of ${typeNames.join(', ')}, or a list of them`);
    return anything.types;
  }
  const types = new Set(named);
  if (nullable === true) types.add('null');
  if (types.has('number')) types.delete('integer');
  return types;
}

function readLiterals(reading: Reading): readonly Json[] | undefined {
  const { schema } = reading;
  const constant = schema['const'];
  if (constant !== undefined) return [constant];
  const values = schema['enum'];
  if (values === undefined) return undefined;
  if (isArray(values) && values.length > 0) return values;
  fault(reading, 'enum', 'must be a list of at least one value');
  return undefined;
}

/** A keyword's number; refused when it is none, or breaks the rule. */
function numberOf(reading: Reading, keyword: string, isRight: (value: number) => boolean): number | undefined {
  const value = reading.schema[keyword];
  if (value === undefined) return undefined;
  if (typeof value === 'number' && Number.isFinite(value) && isRight(value)) return value;
  fault(reading, keyword, 'must be a number that the keyword allows');
  return undefined;
}

const isAny = (): boolean => true;
const isCount = (value: number): boolean => Number.isInteger(value) && value >= 0;

function readNumber(reading: Reading): NumberConstraints {
  const { exclusiveMinimum, exclusiveMaximum } = reading.schema;
  const minimum = numberOf(reading, 'minimum', isAny) ?? -Infinity;
  const maximum = numberOf(reading, 'maximum', isAny) ?? Infinity;
  // Draft 4 has booleans that sharpen the other bound.
  const below = typeof exclusiveMinimum === 'boolean' ? undefined : numberOf(reading, 'exclusiveMinimum', isAny);
  const above = typeof exclusiveMaximum === 'boolean' ? undefined : numberOf(reading, 'exclusiveMaximum', isAny);
  const multipleOf = numberOf(reading, 'multipleOf', (value) => value > 0);
  if (multipleOf !== undefined && !Number.isInteger(multipleOf)) {
    fault(
      reading,
      'multipleOf',
      'is enforced for integers alone: fractions are compared differently by each validator',
    );
  }
  return {
    minimum,
    maximum,
    exclusiveMinimum: exclusiveMinimum === true ? minimum : (below ?? -Infinity),
    exclusiveMaximum: exclusiveMaximum === true ? maximum : (above ?? Infinity),
    multipleOf,
  };
}

function readString(reading: Reading): StringConstraints {
  const { pattern, format } = reading.schema;
  const patterns: string[] = [];
  if (typeof pattern === 'string') {
    const parsed = parseRegex(pattern);
    if (parsed.kind === 'refused') fault(reading, 'pattern', parsed.rule);
    else patterns.push(pattern);
  } else if (pattern !== undefined) fault(reading, 'pattern', 'must be a string');
  if (format !== undefined && !isFormat(format)) {
    fault(reading, 'format', 'is not a format that is enforced; docs/STRUCTURED-OUTPUT.md lists them');
  }
  return {
    lengthMin: numberOf(reading, 'minLength', isCount) ?? 0,
    lengthMax: numberOf(reading, 'maxLength', isCount) ?? Infinity,
    patterns,
    format: isFormat(format) ? format : undefined,
  };
}

function readArray(reading: Reading): ArrayConstraints {
  const { located, schema } = reading;
  const { items, prefixItems, additionalItems, uniqueItems } = schema;
  const countMax = numberOf(reading, 'maxItems', isCount) ?? Infinity;
  if (uniqueItems === true && countMax > 1) {
    fault(reading, 'uniqueItems', 'is not enforced: a grammar does not remember what came before');
  }
  const listed = isArray(items) ? 'items' : 'prefixItems';
  const list = isArray(items) ? items : prefixItems;
  const further = isArray(items) ? 'additionalItems' : 'items';
  const rest = isArray(items) ? additionalItems : items;
  if (list !== undefined && !isArray(list)) fault(reading, listed, 'must be a list of schemas');
  return {
    prefix: isArray(list) ? list.map((_, index) => [at(located, listed, index)]) : [],
    items: rest === undefined ? undefined : rest === false ? 'none' : [at(located, further)],
    countMin: numberOf(reading, 'minItems', isCount) ?? 0,
    countMax,
  };
}

function readObject(reading: Reading): ObjectConstraints {
  const { located, schema } = reading;
  const { properties, patternProperties, additionalProperties, propertyNames } = schema;
  const patterns = readPatterns(reading, patternProperties);
  const named = new Map<string, readonly Located[]>();
  if (isObject(properties)) {
    for (const name of Object.keys(properties)) {
      const extra = patterns.filter(({ pattern }) => matches(pattern, name)).map(({ value }) => value);
      named.set(name, [at(located, 'properties', name), ...extra]);
    }
  } else if (properties !== undefined) fault(reading, 'properties', 'must be an object of schemas');
  return {
    properties: named,
    required: readRequired(reading, named),
    patterns,
    additional:
      additionalProperties === undefined
        ? undefined
        : additionalProperties === false
          ? 'none'
          : [at(located, 'additionalProperties')],
    names: propertyNames === undefined ? [] : [at(located, 'propertyNames')],
    countMin: numberOf(reading, 'minProperties', isCount) ?? 0,
    countMax: numberOf(reading, 'maxProperties', isCount) ?? Infinity,
  };
}

function readPatterns(reading: Reading, value: Json | undefined): ObjectConstraints['patterns'] {
  if (value === undefined) return [];
  if (!isObject(value)) {
    fault(reading, 'patternProperties', 'must be an object of schemas');
    return [];
  }
  return Object.keys(value).flatMap((pattern) => {
    const parsed = parseRegex(pattern);
    if (parsed.kind === 'parsed') return [{ pattern, value: at(reading.located, 'patternProperties', pattern) }];
    refuse(reading.context, [...reading.located.path, 'patternProperties', pattern], parsed.rule);
    return [];
  });
}

/** Required names, and those that others would require: asking for them always is stricter than the schema, never laxer. */
function readRequired(reading: Reading, named: ReadonlyMap<string, unknown>): ReadonlySet<string> {
  const { required, dependentRequired } = reading.schema;
  const names = new Set(namesOf(reading, 'required', required));
  if (dependentRequired === undefined) return names;
  if (!isObject(dependentRequired)) {
    fault(reading, 'dependentRequired', 'must be an object of lists of names');
    return names;
  }
  for (const [name, others] of Object.entries(dependentRequired)) {
    if (!named.has(name) && !names.has(name)) continue;
    for (const other of namesOf(reading, 'dependentRequired', others)) names.add(other);
  }
  return names;
}

function namesOf(reading: Reading, keyword: string, value: Json | undefined): readonly string[] {
  if (value === undefined) return [];
  if (isArray(value) && value.every((name) => typeof name === 'string')) return value;
  fault(reading, keyword, 'must be a list of names');
  return [];
}
