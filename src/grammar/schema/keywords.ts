// Every keyword of JSON Schema, and what becomes of it. A keyword that is in no list is refused, not skipped.
// Source: JSON Schema 2020-12, with the older spellings of drafts 4 to 7 and OpenAPI's `nullable`.

/** Say nothing about values. */
export const annotations: ReadonlySet<string> = new Set([
  '$schema',
  '$id',
  'id',
  '$comment',
  '$anchor',
  '$defs',
  'definitions',
  'title',
  'description',
  'default',
  'example',
  'examples',
  'deprecated',
  'readOnly',
  'writeOnly',
  'contentMediaType',
  'contentEncoding',
  'discriminator',
  'externalDocs',
  'xml',
  'markdownDescription',
  'enumNames',
  'enumDescriptions',
  'propertyOrdering',
]);

/** Enforced; read in read-schema.ts and flatten.ts. */
export const enforced: ReadonlySet<string> = new Set([
  'type',
  'nullable',
  'enum',
  'const',
  '$ref',
  'allOf',
  'anyOf',
  'oneOf',
  'minimum',
  'maximum',
  'exclusiveMinimum',
  'exclusiveMaximum',
  'multipleOf',
  'minLength',
  'maxLength',
  'pattern',
  'format',
  'items',
  'prefixItems',
  'additionalItems',
  'unevaluatedItems',
  'minItems',
  'maxItems',
  'uniqueItems',
  'properties',
  'required',
  'additionalProperties',
  'unevaluatedProperties',
  'patternProperties',
  'propertyNames',
  'minProperties',
  'maxProperties',
  'dependentRequired',
]);

const conditional = 'is not enforced: a grammar cannot make one part of a value depend on another; use anyOf';

/** Known, and not enforced: why. */
export const refusals: ReadonlyMap<string, string> = new Map([
  ['not', 'is not enforced: say what a value is, not what it is not'],
  ['if', conditional],
  ['then', conditional],
  ['else', conditional],
  ['dependentSchemas', conditional],
  ['dependencies', conditional],
  ['contains', 'is not enforced: a grammar cannot ask for an item somewhere'],
  ['minContains', 'is not enforced: a grammar cannot count some of the items'],
  ['maxContains', 'is not enforced: a grammar cannot count some of the items'],
  ['contentSchema', 'is not enforced: the schema of what a string encodes'],
  ['$dynamicRef', 'is not enforced; use $ref'],
  ['$dynamicAnchor', 'is not enforced; use $ref'],
  ['$recursiveRef', 'is not enforced; use $ref'],
  ['$recursiveAnchor', 'is not enforced; use $ref'],
]);

/** Names that tools add for themselves: `x-order`, `ui:widget`. */
export function isExtension(keyword: string): boolean {
  return keyword.startsWith('x-') || keyword.includes(':');
}
