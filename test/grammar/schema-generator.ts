// Random JSON schemas of the keywords that are enforced, nested a little, with defs, unions and references.

import type { Json, JsonObject } from '../../src/grammar/types.ts';

type Random = () => number;

export function generateSchema(random: Random): Json {
  const defs: Record<string, Json> = { leaf: leafOf(random), pair: objectOf(random, 1) };
  const root = schemaOf(random, 0);
  const isPlain = typeof root === 'object' && root !== null && !Array.isArray(root);
  return isPlain ? { ...root, $defs: defs } : root;
}

function choose<T>(random: Random, options: readonly [T, ...T[]]): T {
  return options[Math.floor(random() * options.length)] ?? options[0];
}

const below = (random: Random, bound: number): number => Math.floor(random() * bound);
const maybe = (random: Random, value: JsonObject): JsonObject => (random() < 0.4 ? value : {});

function schemaOf(random: Random, depth: number): Json {
  const kind = depth > 2 ? 'leaf' : choose(random, ['object', 'object', 'array', 'leaf', 'union', 'ref', 'joined']);
  switch (kind) {
    case 'object':
      return objectOf(random, depth);
    case 'array':
      return arrayOf(random, depth);
    case 'union':
      return { anyOf: Array.from({ length: 1 + below(random, 3) }, () => schemaOf(random, depth + 1)) };
    case 'ref':
      return { $ref: choose(random, ['#/$defs/leaf', '#/$defs/pair']) };
    case 'joined':
      return { allOf: [objectOf(random, depth), objectOf(random, depth)] };
    default:
      return leafOf(random);
  }
}

function objectOf(random: Random, depth: number): JsonObject {
  const names = ['id', 'name', 'kind', 'größe', 'tags', 'is_ok'].filter(() => random() < 0.5);
  const properties = Object.fromEntries(names.map((name) => [name, schemaOf(random, depth + 1)]));
  const required = names.filter(() => random() < 0.5);
  const additional = choose<Json>(random, [false, true, { type: 'integer' }]);
  const more: JsonObject = random() < 0.5 ? { additionalProperties: additional } : {};
  return {
    type: 'object',
    properties,
    required,
    ...more,
    ...maybe(random, { maxProperties: Math.max(2, required.length + 1) }),
  };
}

function arrayOf(random: Random, depth: number): JsonObject {
  const countMin = below(random, 3);
  const prefix = random() < 0.3 ? { prefixItems: [leafOf(random), leafOf(random)] } : {};
  const items = random() < 0.9 ? { items: schemaOf(random, depth + 1) } : {};
  return { type: 'array', ...prefix, ...items, minItems: countMin, maxItems: countMin + below(random, 3) };
}

function leafOf(random: Random): Json {
  switch (choose(random, ['string', 'integer', 'number', 'enum', 'pattern', 'format', 'flag'])) {
    case 'string': {
      const lengthMin = below(random, 4);
      return { type: 'string', minLength: lengthMin, ...maybe(random, { maxLength: lengthMin + below(random, 70) }) };
    }
    case 'integer': {
      const minimum = below(random, 2000) - 1000;
      return {
        type: 'integer',
        ...maybe(random, { minimum }),
        ...maybe(random, { maximum: minimum + below(random, 5000) }),
      };
    }
    case 'number': {
      const minimum = Math.round((random() * 40 - 20) * 100) / 100;
      const maximum = Math.round((minimum + random() * 30 + 0.01) * 100) / 100;
      return { type: 'number', ...maybe(random, { minimum }), ...maybe(random, { exclusiveMaximum: maximum }) };
    }
    case 'enum':
      return { enum: ['red', 'blue', 3, null, false, 'ärger "x"\\'].slice(0, 1 + below(random, 6)) };
    case 'pattern':
      return {
        type: 'string',
        pattern: choose(random, ['^[a-z]{2,5}$', '^\\d+(\\.\\d)?$', '^(on|off)', '[A-Z]$', '^[^x]{1,4}$']),
        maxLength: 20,
      };
    case 'format':
      return { type: 'string', format: choose(random, ['date', 'uuid', 'ipv4', 'time', 'email']) };
    default:
      return { type: choose<Json>(random, ['boolean', 'null', ['boolean', 'null', 'integer']]) };
  }
}
