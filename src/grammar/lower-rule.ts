// From what a request asks for to the grammar that the engine compiles, or to the faults that stand in its way.
// Nothing here looks at the model: a grammar is about text, and the same for every vocabulary.

import { assertNever } from '../assert.ts';
import type { GrammarSpec } from '../grammar-port.ts';
import { checkEbnf } from './ebnf/check.ts';
import { type Expression, empty, type Rules, rule } from './ebnf/expression.ts';
import { printRules } from './ebnf/print.ts';
import { createUseRule } from './json/text-rules.ts';
import { lowerPatterns, lowerTexts, wholePattern, writePlain } from './regex/lower.ts';
import { parseRegex } from './regex/parse.ts';
import type { Pattern } from './regex/syntax.ts';
import { lowerSchema } from './schema/lower-schema.ts';
import { lowerTag } from './structural-tag.ts';
import type { Json, Lowered, OutputRule, RuleFault } from './types.ts';

/** Characters of a grammar's text; larger ones would not compile in time. */
export const grammarLengthMax = 2_000_000;

export function lowerRule(output: OutputRule): Lowered<GrammarSpec> {
  switch (output.kind) {
    case 'json-object': {
      const rules: Rules = new Map();
      return finish(rules, { kind: 'lowered', value: createUseRule(rules)('json_object') });
    }
    case 'json-schema': {
      const rules: Rules = new Map();
      return finish(rules, lowerSchema(rules, output.schema));
    }
    case 'regex':
      return lowerPattern(output.pattern);
    case 'choice':
      return lowerTextList(output.choices);
    case 'ebnf': {
      const fault = checkEbnf(output.text);
      return fault === undefined ? { kind: 'lowered', value: { kind: 'ebnf', text: output.text } } : refused(fault);
    }
    case 'structural-tag': {
      const lowered = lowerTag(output.tag, { schema: ebnfOfSchema, regex: (pattern) => textOf(lowerPattern(pattern)) });
      if (lowered.kind === 'refused') return lowered;
      return { kind: 'lowered', value: { kind: 'structural-tag', tag: JSON.stringify(lowered.value) } };
    }
    default:
      return assertNever(output);
  }
}

/** The EBNF of a JSON schema, for grammars that contain one. */
export function ebnfOfSchema(schema: Json): Lowered<string> {
  const rules: Rules = new Map();
  return textOf(finish(rules, lowerSchema(rules, schema)));
}

function lowerPattern(source: string): Lowered<GrammarSpec> {
  const parsed = parseRegex(source);
  return parsed.kind === 'refused' ? refused(parsed.rule) : lowerWhole(wholePattern(parsed.branches));
}

function lowerTextList(texts: readonly string[]): Lowered<GrammarSpec> {
  const rules: Rules = new Map();
  const lowered = lowerTexts(texts, { rules, name: 'text', write: writePlain, end: empty });
  return lowered.kind === 'lowered' ? finish(rules, lowered) : refused('must be texts that can be written');
}

function lowerWhole(pattern: Pattern): Lowered<GrammarSpec> {
  const rules: Rules = new Map();
  const lowered = lowerPatterns([pattern], { rules, name: 'text', write: writePlain, end: empty });
  if (lowered.kind === 'nothing') return refused('is matched by no text at all');
  return lowered.kind === 'refused' ? refused(lowered.rule) : finish(rules, lowered);
}

function textOf(lowered: Lowered<GrammarSpec>): Lowered<string> {
  if (lowered.kind === 'refused') return lowered;
  return { kind: 'lowered', value: lowered.value.kind === 'ebnf' ? lowered.value.text : lowered.value.tag };
}

function refused(why: string): { readonly kind: 'refused'; readonly faults: readonly RuleFault[] } {
  return { kind: 'refused', faults: [{ path: [], rule: why }] };
}

function finish(rules: Rules, root: Lowered<Expression>): Lowered<GrammarSpec> {
  if (root.kind === 'refused') return root;
  rules.set('root', { body: root.value.kind === 'rule' ? rule(root.value.name) : root.value });
  const printed = printRules(rules);
  if (printed.length <= grammarLengthMax) return { kind: 'lowered', value: { kind: 'ebnf', text: printed } };
  return refused(`must not need a grammar of more than ${grammarLengthMax} characters. It needs ${printed.length}`);
}
