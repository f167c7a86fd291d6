// The fields that say what the output must look like, read into the grammar that the engine enforces.
// Why lowered while the body is checked: what a schema asks for and would not get is a fault of the body like any other, and
// named with the others. Lowering costs a millisecond or so; clients send the same schema again and again, so it is kept.
// Sources: OpenAI's ResponseFormat objects, vLLM's structured_outputs and its older guided_* fields.

import { z } from 'zod';
import { lowerKeptRule } from '../grammar/kept-rules.ts';
import { isObject } from '../grammar/schema/located.ts';
import type { Json, OutputRule } from '../grammar/types.ts';
import type { GrammarSpec } from '../grammar-port.ts';
import type { Fault } from './faults.ts';
import { choiceCountMax, outputShapes } from './output-shapes.ts';
import { readByHand, surrogateRule } from './wire-text.ts';

const ruleLengthMax = 500_000;

type Context = z.RefinementCtx;
type Path = readonly (string | number)[];
type Parsed = GrammarSpec | undefined;

/** Fields to spread into an endpoint's z.object. Each reads as a grammar, or undefined. */
export const outputFields = {
  response_format: field(outputShapes.responseFormat, parseResponseFormat).describe('What the output must match.'),
  structured_outputs: field(outputShapes.structuredOutputs, parseStructuredOutputs).describe(
    "The same in vLLM's words: exactly one of the fields.",
  ),
  guided_json: field(outputShapes.schema, (value, context) => lowerSchemaField(value, [], context)).describe(
    "vLLM's older form: JSON that meets this schema.",
  ),
  guided_regex: field(outputShapes.text, (value, context) =>
    lowerTextField('regex', value, { path: [], context }),
  ).describe("vLLM's older form: text that matches this regular expression."),
  guided_choice: field(outputShapes.choices, (value, context) => lowerChoices(value, [], context)).describe(
    "vLLM's older form: one of these texts.",
  ),
  guided_grammar: field(outputShapes.text, (value, context) =>
    lowerTextField('ebnf', value, { path: [], context }),
  ).describe("vLLM's older form: text that matches this EBNF grammar."),
};

const outputSchema = z.object(outputFields);
type OutputFields = z.output<typeof outputSchema>;
type FieldName = keyof OutputFields;
const fieldNames: readonly FieldName[] = [
  'response_format',
  'structured_outputs',
  'guided_json',
  'guided_regex',
  'guided_choice',
  'guided_grammar',
];

/** The grammar that a request asks for, and the field that did. */
export function outputGrammarOf(
  fields: OutputFields,
): { readonly field: FieldName; readonly grammar: GrammarSpec } | undefined {
  for (const name of fieldNames) {
    const grammar = fields[name];
    if (grammar !== undefined) return { field: name, grammar };
  }
  return undefined;
}

/** An output can follow one rule only. */
export function outputFaults(fields: OutputFields): Fault[] {
  const given = fieldNames.filter((name) => fields[name] !== undefined);
  return given
    .slice(1)
    .map((name) => ({ path: [name], rule: `must not be given with ${given[0]}`, given: fields[name] }));
}

function field(shape: z.ZodType, parse: (value: Json, context: Context) => Parsed) {
  const reading = z
    .unknown()
    .optional()
    .transform((value, context): Parsed => {
      if (value === undefined || value === null) return undefined;
      // Parsed by JSON.parse: there is nothing else it can be.
      return isJson(value) ? parse(value, context) : undefined;
    });
  return readByHand(reading, shape.nullable());
}

function isJson(value: unknown): value is Json {
  return value !== undefined;
}

function refuse(context: Context, path: Path, message: string): undefined {
  context.addIssue({ code: 'custom', message, path: [...path] });
  return undefined;
}

const formatRule = 'must be one of "text", "json_object", "json_schema", "structural_tag"';

function parseResponseFormat(value: Json, context: Context): Parsed {
  if (!isObject(value)) return refuse(context, [], 'must be an object with a type');
  switch (value['type']) {
    case 'text':
      return undefined;
    case 'json_object':
      return value['schema'] === undefined
        ? lower({ kind: 'json-object' }, [], context)
        : lowerSchemaField(value['schema'], ['schema'], context);
    case 'json_schema': {
      const format = value['json_schema'];
      if (!isObject(format)) return refuse(context, ['json_schema'], 'must be an object with a schema');
      const schema = format['schema'] ?? {};
      return lowerSchemaField(schema, ['json_schema', 'schema'], context);
    }
    case 'structural_tag':
      return lower({ kind: 'structural-tag', tag: value }, [], context);
    default:
      return refuse(context, ['type'], formatRule);
  }
}

const structuredKinds = ['json', 'regex', 'choice', 'grammar', 'json_object', 'structural_tag'] as const;
type StructuredKind = (typeof structuredKinds)[number];

function parseStructuredOutputs(value: Json, context: Context): Parsed {
  const rule = `must be an object with exactly one of ${structuredKinds.join(', ')}`;
  if (!isObject(value)) return refuse(context, [], rule);
  if ((value['whitespace_pattern'] ?? undefined) !== undefined) {
    return refuse(
      context,
      ['whitespace_pattern'],
      'is not supported: white space in JSON is one space or a line break',
    );
  }
  const given = structuredKinds.filter((kind) => (value[kind] ?? undefined) !== undefined && value[kind] !== false);
  const [kind, ...others] = given;
  if (kind === undefined || others.length > 0) return refuse(context, [], rule);
  return lowerStructured(kind, value[kind] ?? null, context);
}

function lowerStructured(kind: StructuredKind, inside: Json, context: Context): Parsed {
  switch (kind) {
    case 'json':
      return lowerSchemaField(inside, [kind], context);
    case 'regex':
      return lowerTextField('regex', inside, { path: [kind], context });
    case 'choice':
      return lowerChoices(inside, [kind], context);
    case 'grammar':
      return lowerTextField('ebnf', inside, { path: [kind], context });
    case 'json_object':
      return lower({ kind: 'json-object' }, [kind], context);
    case 'structural_tag':
      return lowerTagField(inside, [kind], context);
  }
}

export function lowerObjectField(path: Path, context: Context): Parsed {
  return lower({ kind: 'json-object' }, path, context);
}

/** A schema as JSON, or as text of JSON, as vLLM takes it. */
export function lowerSchemaField(value: Json, path: Path, context: Context): Parsed {
  const schema = typeof value === 'string' ? parseJson(value) : value;
  if (schema === undefined || !(isObject(schema) || typeof schema === 'boolean')) {
    return refuse(context, path, 'must be a JSON schema: an object');
  }
  return lower({ kind: 'json-schema', schema }, path, context);
}

function lowerTagField(value: Json, path: Path, context: Context): Parsed {
  const tag = typeof value === 'string' ? parseJson(value) : value;
  return isObject(tag)
    ? lower({ kind: 'structural-tag', tag }, path, context)
    : refuse(context, path, 'must be an object');
}

function lowerTextField(
  kind: 'regex' | 'ebnf',
  value: Json,
  { path, context }: { readonly path: Path; readonly context: Context },
): Parsed {
  if (typeof value !== 'string' || value === '') return refuse(context, path, 'must be a non-empty string');
  if (!value.isWellFormed()) return refuse(context, path, surrogateRule);
  return lower(kind === 'regex' ? { kind, pattern: value } : { kind, text: value }, path, context);
}

function lowerChoices(value: Json, path: Path, context: Context): Parsed {
  const isList = Array.isArray(value) && value.length > 0 && value.length <= choiceCountMax;
  if (!isList || !value.every((choice) => typeof choice === 'string' && choice !== '')) {
    return refuse(context, path, `must be a list of 1 to ${choiceCountMax} non-empty strings`);
  }
  if (!value.every((choice) => choice.isWellFormed())) return refuse(context, path, surrogateRule);
  return lower({ kind: 'choice', choices: value }, path, context);
}

function parseJson(text: string): Json | undefined {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function lower(rule: OutputRule, path: Path, context: Context): Parsed {
  const { length } = JSON.stringify(rule);
  if (length > ruleLengthMax) {
    return refuse(context, path, `must be at most ${ruleLengthMax} characters long. It has ${length}`);
  }
  const lowered = lowerKeptRule(rule);
  if (lowered.kind === 'lowered') return lowered.value;
  for (const fault of lowered.faults) refuse(context, [...path, ...fault.path], fault.rule);
  return undefined;
}
