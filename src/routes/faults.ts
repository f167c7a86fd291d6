// What is wrong with a request body, in words: each fault with its path, its limit and the given value, all at once.
// Why not zod's own messages: they leave out the given value, and a client's developer should not have to guess it.

import type { z } from 'zod';
import { assertNever } from '../assert.ts';
import type { OctetErrorBody } from '../errors.ts';
import { fieldOf } from './wire-text.ts';

/** One thing wrong: `path` must be ... , but was `given`. */
export interface Fault {
  readonly path: readonly PropertyKey[];
  /** Continues the sentence that the path begins: `must be <= 2`. */
  readonly rule: string;
  readonly given: unknown;
}

/** More are counted, not listed: a body can hold a million faults. */
const listedCountMax = 20;
const givenLengthMax = 100;

/** The faults that zod found in `body`. */
export function faultsOf(issues: readonly z.core.$ZodIssue[], body: unknown): Fault[] {
  return issues.map((issue) => ({ path: issue.path, rule: ruleOf(issue), given: valueAt(body, issue.path) }));
}

/** One error body for all of them; `param` names the first. */
export function faultsError(faults: readonly Fault[]): OctetErrorBody {
  const listed = faults.slice(0, listedCountMax).map(sentenceOf);
  const rest = faults.length - listed.length;
  if (rest > 0) listed.push(`and ${rest} more faults`);
  const first = faults[0];
  const param = first === undefined || first.path.length === 0 ? null : pathText(first.path);
  return { code: 'invalid_request', message: listed.join('; '), param };
}

function sentenceOf(fault: Fault): string {
  const path = fault.path.length === 0 ? 'body' : pathText(fault.path);
  return `${path} ${fault.rule}. Given: ${givenText(fault.given)}`;
}

function pathText(path: readonly PropertyKey[]): string {
  return shorten(path.map(String).join('.'));
}

/** A short, safe rendering of any JSON value; never walks into it. */
export function givenText(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (typeof value === 'string') return shorten(JSON.stringify(value.slice(0, givenLengthMax + 1)));
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (typeof value === 'object' && value !== null) return 'an object';
  return String(value);
}

function shorten(text: string): string {
  return text.length <= givenLengthMax ? text : `${text.slice(0, givenLengthMax)}...`;
}

function valueAt(body: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce(fieldOf, body);
}

function ruleOf(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return `must be ${typeWords[issue.expected] ?? issue.expected}`;
    case 'too_small':
      return `must ${boundText(issue.origin, issue.inclusive === false ? '>' : '>=', issue.minimum)}`;
    case 'too_big':
      return `must ${boundText(issue.origin, issue.inclusive === false ? '<' : '<=', issue.maximum)}`;
    case 'invalid_value':
      return `must be ${issue.values.length > 1 ? 'one of ' : ''}${issue.values.map((value) => JSON.stringify(value)).join(', ')}`;
    case 'custom':
      return issue.message;
    case 'invalid_format':
    case 'not_multiple_of':
    case 'unrecognized_keys':
    case 'invalid_union':
    case 'invalid_key':
    case 'invalid_element':
      return `is not valid (${issue.message})`;
    default:
      return assertNever(issue);
  }
}

const typeWords: Readonly<Record<string, string>> = {
  int: 'an integer',
  number: 'a number',
  string: 'a string',
  boolean: 'a boolean',
  object: 'an object',
  array: 'an array',
};

function boundText(origin: string, sign: '<' | '<=' | '>' | '>=', bound: number | bigint): string {
  if (origin === 'string') return `have a length ${sign} ${bound}`;
  if (origin === 'array') return `have a number of entries ${sign} ${bound}`;
  return `be ${sign} ${bound}`;
}
