// Objects of a schema as grammar: named members in the schema's order, then free ones.
// Why a fixed order: every subset in every order would need a rule for each subset. OpenAI fixes it too.
// Why named members exclude free ones unless a schema for those is given: a free member with a named one's name would take
// its place, and an object that was asked for by name is rarely meant to have more.

import { charsOf, subtract } from '../ebnf/characters.ts';
import { choice, type Expression, empty, oneOf, repeat, sequence, text } from '../ebnf/expression.ts';
import { asWritable } from '../ebnf/print.ts';
import { list, member, objectOf, plainChars } from '../json/text-rules.ts';
import { searchPattern } from '../regex/lower.ts';
import { type ObjectConstraints, restOf } from './constraints.ts';
import { isObject, type Located } from './located.ts';
import type { Lowering } from './lowering.ts';
import { quoted, readPattern } from './strings.ts';

/** Characters of all names together that free names may be told apart from. */
const namedCharsMax = 400;

/** Each may take a rule or two, and each nests in the one before. */
const namesMax = 1000;

interface NamedMember {
  readonly name: string;
  readonly isRequired: boolean;
  /** `"name": value` and the white space after it. */
  readonly written: Expression;
}

/** Undefined when no object has such members. */
export function lowerObject(lowering: Lowering, object: ObjectConstraints): Expression | undefined {
  const named = namedMembers(lowering, object);
  if (named === undefined || object.countMin > object.countMax) return undefined;
  const free = freeMember(lowering, object, named);
  const max = Number.isFinite(object.countMax) ? object.countMax : undefined;
  if (free !== undefined && object.countMin > named.filter(({ isRequired }) => isRequired).length + 1) {
    lowering.refuse('has a minProperties above 1 for members without names, which is not enforced: names may repeat');
    return undefined;
  }
  const body = createMembersBuilder(lowering, { named, free, min: object.countMin, max })(0, false, 0);
  return body === undefined ? undefined : objectOf(lowering.use, body);
}

function namedMembers(lowering: Lowering, object: ObjectConstraints): NamedMember[] | undefined {
  const members: NamedMember[] = [];
  const names = new Set([...object.properties.keys(), ...object.required]);
  if (names.size > namesMax) {
    lowering.refuse(`must not have more than ${namesMax} properties. It has ${names.size}`);
    return undefined;
  }
  for (const name of names) {
    const isRequired = object.required.has(name);
    const rest = object.properties.get(name) ?? restOf(object, name);
    const value = rest === 'none' ? undefined : lowering.valueOf(rest);
    if (value === undefined && isRequired) return undefined;
    if (value === undefined) continue;
    if (!name.isWellFormed()) lowering.refuse('has a property name with half a character');
    members.push({ name, isRequired, written: member(lowering.use, text(JSON.stringify(name)), value) });
  }
  if (object.names.length > 0 && members.length > 0) {
    lowering.refuse('joins propertyNames and named properties, which are not enforced together');
  }
  return members;
}

/** A member without a name of its own; undefined when there are none. */
function freeMember(
  lowering: Lowering,
  object: ObjectConstraints,
  named: readonly NamedMember[],
): Expression | undefined {
  const key = freeKey(lowering, object, named);
  if (key === undefined) return undefined;
  const [pattern] = object.patterns;
  const rest = pattern === undefined ? (object.additional ?? []) : [pattern.value];
  const value = rest === 'none' ? undefined : lowering.valueOf(rest);
  return value === undefined
    ? undefined
    : lowering.addRule(lowering.newName('member'), member(lowering.use, key, value));
}

function freeKey(lowering: Lowering, object: ObjectConstraints, named: readonly NamedMember[]): Expression | undefined {
  const { additional, names, patterns } = object;
  if (names.length > 0)
    return patterns.length === 0 && additional !== 'none' ? lowering.valueOf([...names, stringOnly]) : undefined;
  if (named.length === 0 && patterns.length === 0)
    return additional === 'none' ? undefined : lowering.use('json_string');
  if (named.length === 0) return patternKey(lowering, object);
  const hasSchema =
    Array.isArray(additional) && additional.some(({ schema }) => isObject(schema) && Object.keys(schema).length > 0);
  if (!hasSchema || patterns.length > 0) return undefined;
  return keyUnlike(
    lowering,
    named.map(({ name }) => name),
  );
}

const stringOnly: Located = { schema: { type: 'string' }, path: ['type'] };

function patternKey(lowering: Lowering, { patterns }: ObjectConstraints): Expression | undefined {
  const [only, ...others] = patterns;
  if (only === undefined) return undefined;
  if (others.length > 0)
    lowering.refuse('has several patternProperties, which are not enforced: a name may match two of them');
  return quoted(lowering, readPattern(only.pattern, searchPattern), { min: 0, max: undefined });
}

/** A key, without escapes, that is none of `names`: it leaves their tree at some character, or ends early or late. */
function keyUnlike(lowering: Lowering, names: readonly string[]): Expression | undefined {
  if (names.reduce((sum, name) => sum + name.length, 0) > namedCharsMax) {
    lowering.refuse(
      `has additionalProperties beside names of more than ${namedCharsMax} characters in all, which is not enforced`,
    );
    return undefined;
  }
  const anyRest = repeat(oneOf(plainChars), 0, undefined);
  const below = (endings: readonly string[]): Expression => {
    const firsts = [
      ...new Set(
        endings.filter((ending) => ending !== '').map((ending) => String.fromCodePoint(ending.codePointAt(0) ?? 0)),
      ),
    ];
    const other = asWritable(subtract(plainChars, charsOf(firsts.join(''))));
    const options = firsts.map((first) => {
      const rest = endings.filter((ending) => ending.startsWith(first)).map((ending) => ending.slice(first.length));
      return sequence(text(first), below(rest));
    });
    if (other !== undefined && other.length > 0) options.push(sequence(oneOf(other), anyRest));
    if (!endings.includes('')) options.push(empty);
    return choice(options);
  };
  return lowering.addRule(lowering.newName('key'), sequence(text('"'), below(names), text('"')));
}

interface Members {
  readonly named: readonly NamedMember[];
  readonly free: Expression | undefined;
  readonly min: number;
  readonly max: number | undefined;
}

type Build = (index: number, started: boolean, count: number) => Expression | undefined;

/** Members from an index on. Counts are kept only where the schema bounds them, so that rules stay few. */
function createMembersBuilder(lowering: Lowering, { named, free, min, max }: Members): Build {
  const prefix = lowering.newName('members');
  const known = new Map<string, Expression | undefined>();
  const counts = min > 0 || max !== undefined;

  const end: Build = (_, started, count) => {
    const missing = Math.max(0, min - count);
    const room = max === undefined ? undefined : max - count;
    if (room !== undefined && room < missing) return undefined;
    if (free === undefined || room === 0) return missing > 0 ? undefined : empty;
    if (!started) return list(lowering.use, free, { min: missing, max: room });
    return repeat(sequence(text(','), lowering.use('json_ws'), free), missing, room);
  };

  const take: Build = (index, started, count) => {
    const nextCount = counts ? count + 1 : 0;
    const here = named[index];
    const rest = max !== undefined && nextCount > max ? undefined : build(index + 1, true, nextCount);
    if (here === undefined || rest === undefined) return undefined;
    return sequence(...(started ? [text(','), lowering.use('json_ws')] : []), here.written, rest);
  };

  const build: Build = (index, started, count) => {
    const here = named[index];
    if (here === undefined) return end(index, started, count);
    if (here.isRequired) return take(index, started, count);
    const key = `${index}_${Number(started)}_${count}`;
    if (known.has(key)) return known.get(key);
    const options = [take(index, started, count), build(index + 1, started, count)].filter(
      (option) => option !== undefined,
    );
    const rule = options.length === 0 ? undefined : lowering.addRule(`${prefix}_${key}`, choice(options));
    known.set(key, rule);
    return rule;
  };
  return build;
}
