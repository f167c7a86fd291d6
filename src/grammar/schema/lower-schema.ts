// From a JSON schema to rules of a grammar, or to everything in it that would not be enforced.
// Why our own compiler and not XGrammar's: that one warns of keywords it does not know and goes on, and takes duplicate names,
// overlapping oneOf options and patterns inside strings for granted. Every text this grammar allows meets the schema;
// the reverse is not promised (docs/STRUCTURED-OUTPUT.md says what is narrower).

import { assertNever } from '../../assert.ts';
import { choice, type Expression, empty, type Rules, rule, text } from '../ebnf/expression.ts';
import { createUseRule } from '../json/text-rules.ts';
import { lowerTexts, writePlain } from '../regex/lower.ts';
import type { Json, Lowered } from '../types.ts';
import { lowerArray } from './arrays.ts';
import { anything, type Constraints } from './constraints.ts';
import { refuse, type SchemaContext } from './context.ts';
import { flatten } from './flatten.ts';
import { isObject, type Located, pointerOf, resolveReference } from './located.ts';
import type { Lowering } from './lowering.ts';
import { lowerNumber } from './numbers.ts';
import { lowerObject } from './objects.ts';
import { lowerString } from './strings.ts';

/** More rules than this would not compile in time. */
const ruleCountMax = 20_000;
/** Values made inside one another; recursive schemas end at their own rule. */
const depthMax = 200;

interface Compilation extends Lowering {
  readonly context: SchemaContext;
  /** Rules by the places of the schemas that hold. Undefined: no value is possible. */
  readonly known: Map<string, Expression | undefined>;
  /** Where the value stands that is being made. */
  path: readonly (string | number)[];
  depth: number;
}

/** Adds rules to `rules`; answers the expression of a value that meets the schema. */
export function lowerSchema(rules: Rules, root: Json): Lowered<Expression> {
  const compilation = createCompilation(rules, { root, faults: [] });
  const value = compilation.valueOf([{ schema: root, path: [] }]);
  const { faults } = compilation.context;
  if (value === undefined && faults.length === 0) refuse(compilation.context, [], 'is met by no value at all');
  if (value === undefined || faults.length > 0) return { kind: 'refused', faults };
  return { kind: 'lowered', value };
}

function createCompilation(rules: Rules, context: SchemaContext): Compilation {
  let nameCount = 0;
  const compilation: Compilation = {
    rules,
    context,
    use: createUseRule(rules),
    known: new Map(),
    texts: new Map(),
    path: [],
    depth: 0,
    valueOf: (all) => lowerValue(compilation, all),
    addRule(name, body) {
      if (!rules.has(name)) rules.set(name, { body });
      return rule(name);
    },
    newName(prefix) {
      nameCount += 1;
      return `${prefix}_${nameCount}`;
    },
    refuse: (why) => refuse(context, compilation.path, why),
  };
  return compilation;
}

function lowerValue(compilation: Compilation, all: readonly Located[]): Expression | undefined {
  const { context, known, rules } = compilation;
  const places = all.map((located) => followReferences(context.root, located)).filter(({ schema }) => schema !== true);
  if (places.length === 0) return compilation.use('json_value');
  const key = [...new Set(places.map(({ path, schema }) => (schema === false ? 'false' : pointerOf(path))))]
    .sort()
    .join(' & ');
  if (known.has(key)) return known.get(key);
  const outer = compilation.path;
  if (compilation.depth > depthMax || rules.size > ruleCountMax) {
    const limit =
      compilation.depth > depthMax ? `nest deeper than ${depthMax}` : `need more than ${ruleCountMax} rules`;
    refuse(context, outer, `must not ${limit}`);
    return compilation.use('json_value');
  }
  const name = compilation.newName('value');
  // A schema that contains itself meets its own rule here.
  known.set(key, rule(name));
  compilation.path = places[0]?.path ?? [];
  compilation.depth += 1;
  const options = flatten(context, places).flatMap((constraints) => lowerConstraints(compilation, constraints));
  compilation.depth -= 1;
  compilation.path = outer;
  if (options.length === 0) known.set(key, undefined);
  else settle(compilation, { name, key, options });
  return known.get(key);
}

/** A value that is a rule already needs no other one, unless something refers to this one by name. */
function settle(
  { known, rules }: Compilation,
  { name, key, options }: { name: string; key: string; options: readonly Expression[] },
): void {
  const [only, ...others] = options;
  if (others.length === 0) rules.set(name, { body: choice(options) });
  else {
    // Each in a rule of its own: within one rule, options that begin alike may be taken for one another.
    const names = options.map((body, index) => {
      if (body.kind === 'rule') return body;
      rules.set(`${name}_${index}`, { body });
      return rule(`${name}_${index}`);
    });
    rules.set(name, { body: choice(names) });
  }
  if (only !== undefined && others.length === 0 && only.kind === 'rule') known.set(key, only);
}

/** A schema that is nothing but a reference stands for its target: rules are then shared. */
function followReferences(root: Json, located: Located): Located {
  let current = located;
  for (let hops = 0; hops < 20; hops++) {
    const { schema } = current;
    if (!isObject(schema) || Object.keys(schema).length !== 1) return current;
    const reference = schema['$ref'];
    const target = typeof reference === 'string' ? resolveReference(root, reference) : undefined;
    if (target === undefined) return current;
    current = target;
  }
  return current;
}

function lowerConstraints(compilation: Compilation, constraints: Constraints): Expression[] {
  const { types, literals } = constraints;
  if (literals !== undefined) return literalsOf(compilation, literals, constraints);
  if (isUnconstrained(constraints)) return [compilation.use('json_value')];
  const options: (Expression | undefined)[] = [];
  if (types.has('object')) {
    options.push(
      isSame(constraints, 'object') ? compilation.use('json_object') : lowerObject(compilation, constraints.object),
    );
  }
  if (types.has('array')) {
    options.push(
      isSame(constraints, 'array') ? compilation.use('json_array') : lowerArray(compilation, constraints.array),
    );
  }
  if (types.has('string')) options.push(lowerString(compilation, constraints.string));
  if (types.has('number')) options.push(lowerNumber(compilation, constraints, false));
  else if (types.has('integer')) options.push(lowerNumber(compilation, constraints, true));
  if (types.has('boolean')) options.push(choice([text('true'), text('false')]));
  if (types.has('null')) options.push(text('null'));
  return options.filter((option) => option !== undefined);
}

/** Constants, read letter by letter: those that begin alike part where they differ. */
function literalsOf(compilation: Compilation, literals: readonly Json[], constraints: Constraints): Expression[] {
  const texts = literals.map((literal) => literalText(compilation, literal, constraints));
  const name = compilation.newName('constant');
  const use = { rules: compilation.rules, name, write: writePlain, end: empty };
  const lowered = lowerTexts(texts, use);
  if (lowered.kind === 'refused') compilation.refuse(`has constants that ${lowered.rule}`);
  return lowered.kind === 'lowered' ? [lowered.value] : [];
}

/** A value of `enum` or `const`; those with members are taken only where nothing else is said. */
function literalText(compilation: Compilation, literal: Json, constraints: Constraints): string {
  const hasMembers = typeof literal === 'object' && literal !== null;
  const isFree = isSame(constraints, 'object') && isSame(constraints, 'array');
  if (hasMembers && !isFree)
    compilation.refuse('joins an enum or const with keywords about its members, which is not enforced');
  if (typeof literal === 'string' && constraints.string.format !== undefined) {
    compilation.refuse('joins an enum or const with a format, which is not enforced');
  }
  return JSON.stringify(literal);
}

type Part = 'object' | 'array' | 'string' | 'number';

/** Whether nothing is said about values of a type. */
function isSame({ object, array, string, number }: Constraints, part: Part): boolean {
  switch (part) {
    case 'object':
      return (
        object.properties.size + object.required.size + object.patterns.length + object.names.length === 0 &&
        object.additional === undefined &&
        object.countMin === 0 &&
        object.countMax === Infinity
      );
    case 'array':
      return (
        array.prefix.length === 0 && array.items === undefined && array.countMin === 0 && array.countMax === Infinity
      );
    case 'string':
      return isEqual(string, anything.string) && string.patterns.length === 0;
    case 'number':
      return isEqual(number, anything.number) && string.format !== 'int32';
    default:
      return assertNever(part);
  }
}

/** Whether all plain values of two records are the same; lists are the caller's. */
function isEqual<T extends object>(a: T, b: T): boolean {
  const [left, right] = [Object.entries(a), Object.entries(b)];
  return left.every(
    ([name, value]) => Array.isArray(value) || right.some(([other, same]) => other === name && same === value),
  );
}

function isUnconstrained(constraints: Constraints): boolean {
  const { types } = constraints;
  const parts: readonly Part[] = ['object', 'array', 'string', 'number'];
  return (
    anything.types.size === types.size && !types.has('integer') && parts.every((part) => isSame(constraints, part))
  );
}
