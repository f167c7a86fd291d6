// What a schema asks for and would not get is refused, with its place; what says nothing is let through.

import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { lowerRule } from '../../src/grammar/lower-rule.ts';
import { formatNames } from '../../src/grammar/schema/formats.ts';
import { enforced } from '../../src/grammar/schema/keywords.ts';
import type { Json } from '../../src/grammar/types.ts';

function faultsOf(schema: Json): string[] {
  const lowered = lowerRule({ kind: 'json-schema', schema });
  return lowered.kind === 'lowered' ? [] : lowered.faults.map(({ path, rule }) => `${path.join('.')} ${rule}`);
}

describe('refused', () => {
  test.each<[string, Json, string]>([
    ['uniqueItems', { type: 'array', uniqueItems: true }, 'uniqueItems is not enforced'],
    ['contains', { type: 'array', contains: { type: 'integer' } }, 'contains is not enforced'],
    ['not', { not: { type: 'string' } }, 'not is not enforced'],
    ['if and else', { if: { type: 'string' }, else: { minLength: 1 } }, 'if is not enforced'],
    ['dependentSchemas', { dependentSchemas: { a: { required: ['b'] } } }, 'dependentSchemas is not enforced'],
    ['$dynamicRef', { $dynamicRef: '#x' }, '$dynamicRef is not enforced'],
    ['a misspelt keyword', { type: 'string', minlength: 3 }, 'minlength is no keyword that is known here'],
    ['an unknown format', { type: 'string', format: 'iban' }, 'format is not a format that is enforced'],
    ['a fraction as multipleOf', { type: 'number', multipleOf: 0.01 }, 'multipleOf is enforced for integers alone'],
    ['a reference elsewhere', { $ref: 'https://example.com/s.json' }, '$ref must point into the schema'],
    ['a reference to nothing', { $ref: '#/$defs/none' }, '$ref must point into the schema'],
    ['a reference to itself', { $ref: '#' }, 'refer to itself'],
    ['an allOf of itself', { allOf: [{ $ref: '#' }], type: 'object' }, 'refer to itself'],
    ['overlapping oneOf', { oneOf: [{ type: 'string' }, { type: 'string', minLength: 3 }] }, 'oneOf has options'],
    ['number and integer in oneOf', { oneOf: [{ type: 'number' }, { type: 'integer' }] }, 'oneOf has options'],
    [
      'open objects in oneOf',
      { oneOf: [{ type: 'object' }, { type: 'object', required: ['a'] }] },
      'oneOf has options',
    ],
    ['a lookahead', { type: 'string', pattern: '^(?!x)' }, 'pattern uses a lookaround'],
    [
      'two patternProperties',
      { type: 'object', patternProperties: { '^a': true, b$: true } },
      'several patternProperties',
    ],
    ['a schema that nothing meets', { type: 'string', minLength: 3, maxLength: 2 }, 'is met by no value'],
    ['an empty intersection', { allOf: [{ type: 'string' }, { type: 'null' }] }, 'is met by no value'],
    ['false', false, 'is met by no value'],
    ['a pattern that no length fits', { type: 'string', pattern: '^abc$', maxLength: 2 }, 'is met by no value'],
    ['minProperties of free names', { type: 'object', minProperties: 3 }, 'minProperties above 1'],
    ['enum with a format', { enum: ['a'], format: 'date' }, 'joins an enum or const with a format'],
    ['a type that is none', { type: 'text' }, 'type must be one of'],
    ['no schema', { properties: { a: 7 } }, 'properties.a must be a schema'],
  ])('%s', (_, schema, fault) => {
    expect(faultsOf(schema).join('\n')).toContain(fault);
  });

  test('all at once, each with its JSON pointer', () => {
    const schema = {
      type: 'object',
      properties: { 'a/b': { type: 'array', uniqueItems: true }, c: { type: 'array', items: { not: {} } } },
    };
    expect(faultsOf(schema)).toEqual([
      expect.stringContaining('(at #/properties/a~1b/uniqueItems of the schema)'),
      expect.stringContaining('(at #/properties/c/items/not of the schema)'),
    ]);
  });

  test('alternatives without end', () => {
    const option = { anyOf: [{ const: 1 }, { const: 2 }, { const: 3 }, { const: 4 }] };
    expect(faultsOf({ allOf: [option, option, option, option, option] })).toEqual([]);
    const free = { anyOf: [{ type: 'string' }, { type: 'object' }, { maxLength: 3 }, { minLength: 1 }] };
    expect(faultsOf({ allOf: [free, free, free, free, free] }).join()).toContain('must not branch into more than 200');
  });

  test('a schema as deep as a stack', () => {
    let schema: Json = { type: 'string' };
    for (let depth = 0; depth < 1000; depth++) schema = { type: 'array', items: schema };
    expect(faultsOf(schema).join()).toContain('must not nest deeper than 200');
  });
});

test('docs/STRUCTURED-OUTPUT.md names every keyword and format', () => {
  const text = readFileSync(new URL('../../docs/STRUCTURED-OUTPUT.md', import.meta.url), 'utf8');
  const words = [...enforced, ...formatNames].filter((word) => !text.includes(`\`${word}\``));
  expect(words).toEqual([]);
});

describe('let through', () => {
  test.each<[string, Json]>([
    [
      'annotations',
      { title: 't', description: 'd', default: 1, examples: [1], deprecated: true, readOnly: true, $comment: 'c' },
    ],
    ['extensions', { 'x-order': 1, 'ui:widget': 'textarea' }],
    ['if without then', { if: { type: 'string' } }],
    ['uniqueItems of one', { type: 'array', uniqueItems: true, maxItems: 1 }],
    ['uniqueItems: false', { type: 'array', uniqueItems: false }],
    ['unused definitions', { $defs: { bad: { not: {} } }, type: 'null' }],
  ])('%s', (_, schema) => {
    expect(faultsOf(schema)).toEqual([]);
  });
});
