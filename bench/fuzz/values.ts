// Values that a JSON schema allows, as fast-check draws them: for the schemas of the API's document, and no others.
// Why not a library: those that make values of JSON schemas make plausible ones; here the edges matter, and a seed must repeat them.

import fc from 'fast-check';

export type JsonSchema = Readonly<Record<string, unknown>>;
/** The document's `components.schemas`. */
export type NamedSchemas = Readonly<Record<string, JsonSchema>>;

/** Optional fields beyond these would make nearly every request contradict itself. */
const optionalFieldsMax = 4;
const freeFieldsMax = 4;
const arrayLengthMax = 4;
const textLengthMax = 64;
/** How far from its bound a number mostly is. */
const nearBound = 8;

const referencePrefix = '#/components/schemas/';
const plainJson: fc.Arbitrary<unknown> = fc.jsonValue({ maxDepth: 2 });

/** Values that `schema` allows. Patterns must be of kinds that fast-check can draw. */
export function valuesOf(schema: JsonSchema, named: NamedSchemas): fc.Arbitrary<unknown> {
  const { $ref: reference, anyOf, oneOf, type } = schema;
  if (typeof reference === 'string') return valuesOf(named[reference.replace(referencePrefix, '')] ?? {}, named);
  if ('const' in schema) return fc.constant(schema['const']);
  if (Array.isArray(schema['enum'])) return fc.constantFrom(...schema['enum']);
  for (const options of [anyOf, oneOf]) {
    if (Array.isArray(options)) return fc.oneof(...options.map((option) => valuesOf(option, named)));
  }
  if (Array.isArray(type)) return fc.oneof(...type.map((one) => valuesOf({ ...schema, type: one }, named)));
  return valuesOfType(schema, named);
}

function valuesOfType(schema: JsonSchema, named: NamedSchemas): fc.Arbitrary<unknown> {
  switch (schema['type']) {
    case 'string':
      return texts(schema);
    case 'integer':
      return integers(schema);
    case 'number':
      return numbers(schema);
    case 'boolean':
      return fc.boolean();
    case 'null':
      return fc.constant(null);
    case 'array':
      return arrays(schema, named);
    case 'object':
      return objects(schema, named);
    default:
      return plainJson;
  }
}

function texts({ pattern, minLength, maxLength }: JsonSchema): fc.Arbitrary<string> {
  if (typeof pattern === 'string') return fc.stringMatching(new RegExp(pattern));
  const bounds = {
    minLength: numberOr(minLength, 0),
    maxLength: Math.min(numberOr(maxLength, textLengthMax), textLengthMax),
  };
  return fc.oneof(fc.string({ ...bounds, unit: 'grapheme-ascii' }), fc.string({ ...bounds, unit: 'binary' }));
}

function integers(schema: JsonSchema): fc.Arbitrary<number> {
  const min = numberOr(schema['minimum'], Number.MIN_SAFE_INTEGER);
  const max = numberOr(schema['maximum'], Number.MAX_SAFE_INTEGER);
  const start = min < 0 && max > 0 && min < -nearBound ? 0 : min;
  const near = fc.integer({ min: start, max: Math.min(max, start + nearBound) });
  return fc.oneof({ weight: 4, arbitrary: near }, { weight: 1, arbitrary: fc.integer({ min, max }) });
}

function numbers(schema: JsonSchema): fc.Arbitrary<number> {
  const above = schema['exclusiveMinimum'];
  const min = numberOr(above ?? schema['minimum'], -1e9);
  const max = numberOr(schema['maximum'], 1e9);
  return fc
    .double({ min, max, noNaN: true, minExcluded: typeof above === 'number' })
    .map((value) => (Object.is(value, -0) ? 0 : value));
}

function arrays(schema: JsonSchema, named: NamedSchemas): fc.Arbitrary<unknown[]> {
  const minLength = numberOr(schema['minItems'], 0);
  const maxLength = Math.min(numberOr(schema['maxItems'], arrayLengthMax), Math.max(arrayLengthMax, minLength));
  return fc.array(valuesOf(asSchema(schema['items']), named), { minLength, maxLength });
}

function objects(schema: JsonSchema, named: NamedSchemas): fc.Arbitrary<object> {
  const properties = Object.entries(asSchema(schema['properties']));
  const required: readonly unknown[] = Array.isArray(schema['required']) ? schema['required'] : [];
  const optional = properties.map(([name]) => name).filter((name) => !required.includes(name));
  const entries = (names: readonly string[]) =>
    fc.record(
      Object.fromEntries(
        properties
          .filter(([name]) => required.includes(name) || names.includes(name))
          .map(([name, inner]) => [name, valuesOf(asSchema(inner), named)]),
      ),
    );
  const known = fc.subarray(optional, { maxLength: Math.min(optionalFieldsMax, optional.length) }).chain(entries);
  if (schema['additionalProperties'] === undefined) return known;
  const { propertyNames, additionalProperties } = schema;
  const free = fc.dictionary(
    texts({ maxLength: 16, ...asSchema(propertyNames) }),
    valuesOf(asSchema(additionalProperties), named),
    {
      maxKeys: freeFieldsMax,
      noNullPrototype: true,
    },
  );
  return fc.tuple(free, known).map(([others, own]) => ({ ...others, ...own }));
}

function asSchema(value: unknown): JsonSchema {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}

function numberOr(value: unknown, otherwise: number): number {
  return typeof value === 'number' ? value : otherwise;
}
