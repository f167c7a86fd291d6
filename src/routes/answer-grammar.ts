// The grammar of a chat answer: calls that are forced, the format that the client asks for, and reasoning before either.
// Why composed here: each part alone would forbid the others. JSON that starts at the first token leaves no room for the
// reasoning that the model begins with, and none for a call where tools are offered beside a response format.

import type { CallShape, ReasoningFormat } from '../dialects/types.ts';
import { lowerKeptRule } from '../grammar/kept-rules.ts';
import type { Json, JsonObject, Lowered } from '../grammar/types.ts';
import type { GrammarSpec } from '../grammar-port.ts';
import type { Fault } from './faults.ts';
import { faultsError } from './faults.ts';
import type { Checked } from './request-body.ts';
import type { ToolDefinition } from './tools-schema.ts';

export interface CallsPart {
  readonly shape: CallShape;
  /** With the places of their schemas in the body, for faults. */
  readonly tools: readonly { readonly schemaPath: readonly PropertyKey[]; readonly tool: ToolDefinition }[];
  readonly allowsSeveral: boolean;
  /** `forced`: calls are all the answer. `free`: text, and calls in it that keep their form from the trigger on. */
  readonly kind: 'forced' | 'free';
}

export interface AnswerGrammarParts {
  /** Calls that are all the answer, or may be instead of `own`. */
  readonly calls: CallsPart | undefined;
  /** What the client's own field says. */
  readonly own: GrammarSpec | undefined;
  /** Reasoning that may come first, or has begun in the prompt already. */
  readonly reasoning: { readonly format: ReasoningFormat; readonly isInside: boolean } | undefined;
}

/** Undefined where nothing is forced. */
export function answerGrammar({ calls, own, reasoning }: AnswerGrammarParts): Checked<GrammarSpec | undefined> {
  if (calls === undefined && (own === undefined || reasoning === undefined)) return { kind: 'valid', value: own };
  const formats: JsonObject[] = [];
  if (calls !== undefined) {
    const lowered = callsFormat(calls);
    if (lowered.kind === 'refused') return lowered;
    formats.push(lowered.value);
  }
  if (own !== undefined) formats.push(calls === undefined ? ownFormat(own) : asOnlyTag(ownFormat(own)));
  const answer = either(formats);
  const format = reasoning === undefined ? answer : withReasoning(answer, reasoning);
  return { kind: 'valid', value: { kind: 'structural-tag', tag: JSON.stringify({ type: 'structural_tag', format }) } };
}

function either(formats: readonly JsonObject[]): JsonObject {
  const [first, ...others] = formats;
  return first !== undefined && others.length === 0 ? first : { type: 'or', elements: formats };
}

/** In the same form as calls: XGrammar takes no alternatives of which some have a bound and some have none. */
function asOnlyTag(content: JsonObject): JsonObject {
  const tags = [{ type: 'tag', begin: '', content, end: '' }];
  return { type: 'tags_with_separator', tags, separator: '\n', at_least_one: true, stop_after_first: true };
}

function callsFormat({ shape, tools, allowsSeveral, kind }: CallsPart): Checked<JsonObject> {
  const faults: Fault[] = [];
  const tags: JsonObject[] = [];
  for (const { schemaPath, tool } of tools) {
    const { name, parameters, strict } = tool.function;
    // Where nothing is forced, a tool that is not strict has its arguments checked by the client alone.
    const isFree = kind === 'free' && !strict;
    const lowered = schemaGrammar({ type: 'object', ...(isFree ? {} : jsonObject(parameters)) });
    if (lowered.kind === 'lowered') {
      const content = { type: 'grammar', grammar: lowered.value };
      tags.push({ type: 'tag', begin: shape.begin(name), content, end: shape.end });
    } else {
      for (const { path, rule } of lowered.faults) {
        faults.push({ path: [...schemaPath, ...path], rule, given: undefined });
      }
    }
  }
  if (faults.length > 0) return { kind: 'refused', error: faultsError(faults) };
  const { separator, trigger } = shape;
  const isForced = kind === 'forced' || trigger === undefined;
  const stops = { at_least_one: isForced, stop_after_first: !allowsSeveral };
  const value: JsonObject = isForced
    ? { type: 'tags_with_separator', tags, separator, ...stops }
    : { type: 'triggered_tags', triggers: [trigger], tags, ...stops };
  return { kind: 'valid', value };
}

function ownFormat(own: GrammarSpec): JsonObject {
  if (own.kind === 'ebnf') return { type: 'grammar', grammar: own.text };
  const tag: unknown = JSON.parse(own.tag);
  return typeof tag === 'object' && tag !== null && 'format' in tag ? jsonObject(tag.format) : {};
}

function withReasoning(
  answer: JsonObject,
  { format, isInside }: { readonly format: ReasoningFormat; readonly isInside: boolean },
): JsonObject {
  const blank = { type: 'regex', pattern: '\\n{0,2}' };
  const thought = { type: 'tag', begin: isInside ? '' : format.begin, content: { type: 'any_text' }, end: format.end };
  const thoughtful = { type: 'sequence', elements: [thought, blank, answer] };
  return isInside ? thoughtful : { type: 'or', elements: [thoughtful, answer] };
}

function schemaGrammar(schema: JsonObject): Lowered<string> {
  const spec = lowerKeptRule({ kind: 'json-schema', schema });
  if (spec.kind === 'refused') return spec;
  return { kind: 'lowered', value: spec.value.kind === 'ebnf' ? spec.value.text : '' };
}

function jsonObject(value: unknown): JsonObject {
  return isJsonObject(value) ? value : {};
}

/** Parsed by JSON.parse: an object is one of JSON. */
function isJsonObject(value: unknown): value is Readonly<Record<string, Json>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
