// Plain text that stands for an argument, as the JSON that the tool's schema asks for.
// Why by the schema: formats of XML elements write 5 for the number and for the word alike.

import { parsed } from './call.ts';

const typeNames = ['string', 'number', 'integer', 'boolean', 'object', 'array', 'null'] as const;
type TypeName = (typeof typeNames)[number];

/** The schema of one property of a parameters schema; undefined where there is none. */
export function propertySchema(parameters: unknown, name: string): unknown {
  const properties = memberOf(parameters, 'properties');
  return typeof properties === 'object' && properties !== null && Object.hasOwn(properties, name)
    ? memberOf(properties, name)
    : undefined;
}

/** Whether the schema takes text and nothing else, so that it can be passed on before its end is known. */
export function isTextOnly(schema: unknown): boolean {
  const types = typesOf(schema);
  return types.size === 1 && types.has('string');
}

/** The JSON of `text`; text that is not of the type asked for stays a string, for the tool to complain about. */
export function jsonOf(text: string, schema: unknown): string {
  const types = typesOf(schema);
  if (types.size === 1 && types.has('string')) return JSON.stringify(text);
  const trimmed = text.trim();
  const lower = trimmed.toLowerCase();
  const word = lower === 'true' || lower === 'false' ? lower : lower === 'none' || lower === 'null' ? 'null' : trimmed;
  const value = parsed(word);
  const type = typeOf(value);
  // Without a schema only what is JSON and no string is taken for JSON.
  if (types.size === 0)
    return type === undefined || type === 'string' || word !== trimmed ? JSON.stringify(text) : word;
  if (type === undefined) return JSON.stringify(text);
  const fits = types.has(type) || (type === 'integer' && types.has('number'));
  return fits && type !== 'string' ? word : JSON.stringify(text);
}

function typeOf(value: unknown): TypeName | undefined {
  if (value === undefined) return undefined;
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'number';
  return typeNames.find((name) => name === typeof value);
}

/** The types that a schema allows, as far as it says so; empty where it says nothing. */
function typesOf(schema: unknown): ReadonlySet<TypeName> {
  const found = new Set<TypeName>();
  collectTypes(schema, found, 0);
  return found;
}

const depthMax = 8;

function collectTypes(schema: unknown, found: Set<TypeName>, depth: number): void {
  if (typeof schema !== 'object' || schema === null || depth > depthMax) return;
  const type = memberOf(schema, 'type');
  for (const name of Array.isArray(type) ? type : [type]) {
    const known = typeNames.find((each) => each === name);
    if (known !== undefined) found.add(known);
  }
  const values = memberOf(schema, 'enum');
  if (found.size === 0 && Array.isArray(values)) for (const value of values) addType(value, found);
  if (found.size === 0 && Object.hasOwn(schema, 'const')) addType(memberOf(schema, 'const'), found);
  for (const key of ['anyOf', 'oneOf', 'allOf']) {
    const branches = memberOf(schema, key);
    if (Array.isArray(branches)) for (const branch of branches) collectTypes(branch, found, depth + 1);
  }
}

function addType(value: unknown, found: Set<TypeName>): void {
  const type = typeOf(value);
  if (type !== undefined) found.add(type);
}

function memberOf(value: unknown, key: string): unknown {
  if (typeof value !== 'object' || value === null) return undefined;
  return Object.getOwnPropertyDescriptor(value, key)?.value;
}
