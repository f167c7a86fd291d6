// Makes XGrammar's structural tags safe: the schemas, expressions and grammars inside them become grammars of ours.
// Why: XGrammar's own reading of a schema passes over keywords that it does not know.
// Source: XGrammar's structural tag format; the older spelling (structures and triggers) is read as well.

import { checkEbnf } from './ebnf/check.ts';
import { isArray, isObject } from './schema/located.ts';
import type { Json, JsonObject, Lowered, RuleFault } from './types.ts';

export interface TagLowering {
  readonly schema: (schema: Json) => Lowered<string>;
  readonly regex: (pattern: string) => Lowered<string>;
}

type Path = readonly (string | number)[];

/** The tag with every constrained part as `{"type":"grammar"}`. */
export function lowerTag(tag: JsonObject, lowering: TagLowering): Lowered<JsonObject> {
  const faults: RuleFault[] = [];
  const format = formatOf(tag);
  if (format === undefined) {
    return {
      kind: 'refused',
      faults: [{ path: ['format'], rule: 'must be a format object, or structures and triggers be given' }],
    };
  }
  const lowered = lowerFormat(format.value, format.path, { lowering, faults });
  if (faults.length > 0) return { kind: 'refused', faults };
  return { kind: 'lowered', value: { type: 'structural_tag', format: lowered } };
}

function formatOf(tag: JsonObject): { readonly value: JsonObject; readonly path: Path } | undefined {
  const { format, structures, triggers } = tag;
  if (isObject(format)) return { value: format, path: ['format'] };
  if (!isArray(structures) || !isArray(triggers)) return undefined;
  const tags = structures.filter(isObject).map(({ begin, schema, end }) => ({
    type: 'tag',
    begin: begin ?? '',
    content: { type: 'json_schema', json_schema: schema ?? {} },
    end: end ?? '',
  }));
  return { value: { type: 'triggered_tags', triggers, tags }, path: ['structures'] };
}

interface Context {
  readonly lowering: TagLowering;
  readonly faults: RuleFault[];
}

function lowerFormat(value: Json | undefined, path: Path, context: Context): Json {
  if (!isObject(value)) {
    context.faults.push({ path, rule: 'must be a format object' });
    return {};
  }
  const { type } = value;
  switch (type) {
    case 'any_text':
    case 'const_string':
      return value;
    case 'json_schema':
      return grammarOf(context.lowering.schema(value['json_schema'] ?? {}), [...path, 'json_schema'], context);
    case 'regex':
      return grammarOf(context.lowering.regex(String(value['pattern'] ?? '')), [...path, 'pattern'], context);
    case 'grammar': {
      const fault = checkEbnf(String(value['grammar'] ?? ''));
      if (fault !== undefined) context.faults.push({ path: [...path, 'grammar'], rule: fault });
      return value;
    }
    case 'tag':
      return { ...value, content: lowerFormat(value['content'], [...path, 'content'], context) };
    case 'sequence':
    case 'or':
      return { ...value, elements: lowerList(value['elements'], [...path, 'elements'], context) };
    case 'triggered_tags':
    case 'tags_with_separator':
      return { ...value, tags: lowerList(value['tags'], [...path, 'tags'], context) };
    default:
      context.faults.push({ path: [...path, 'type'], rule: 'is not a format that is enforced' });
      return value;
  }
}

function lowerList(value: Json | undefined, path: Path, context: Context): Json {
  if (isArray(value)) return value.map((entry, index) => lowerFormat(entry, [...path, index], context));
  context.faults.push({ path, rule: 'must be a list' });
  return [];
}

function grammarOf(lowered: Lowered<string>, path: Path, { faults }: Context): Json {
  if (lowered.kind === 'lowered') return { type: 'grammar', grammar: lowered.value };
  for (const fault of lowered.faults) faults.push({ path: [...path, ...fault.path], rule: fault.rule });
  return {};
}
