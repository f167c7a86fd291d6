// A call being read, and what becomes of one that does not parse: its whole text is content again.

import type { ToolSchemas } from '../types.ts';
import { passArguments, readJson } from './json-text.ts';
import { peek, type Reader, type Reading, skipSpace, take, takeText } from './reader.ts';

/** Longer names are no names: what is read is text that happens to follow a mark. */
const nameLengthMax = 256;

/**
 * Reads one call by `read`, which yields its start and its arguments and answers whether it parsed.
 * `opening`: what was read before and belongs to the call.
 */
export function* readCall(reader: Reader, opening: string, read: () => Reading<boolean>): Reading<boolean> {
  reader.recorded = opening;
  let wasStarted = false;
  const reading = read();
  for (let step = reading.next(); ; step = reading.next()) {
    if (step.done) {
      const text = withoutControls(reader.recorded ?? '', reader.controlTexts);
      reader.recorded = undefined;
      const isCall = step.value && wasStarted;
      yield isCall ? { kind: 'call-finished' } : { kind: 'call-broken', text, wasStarted };
      return isCall;
    }
    if (step.value.kind === 'call-started') wasStarted = true;
    yield step.value;
  }
}

/** The same for what only looks like a call: JSON without a mark is content where it names no tool, and no broken call. */
export function* readPossibleCall(reader: Reader, opening: string, read: () => Reading<boolean>): Reading<boolean> {
  const reading = readCall(reader, opening, read);
  for (let step = reading.next(); ; step = reading.next()) {
    if (step.done) return step.value;
    const { value } = step;
    yield value.kind === 'call-broken' && !value.wasStarted ? { kind: 'content', text: value.text } : value;
  }
}

function withoutControls(recorded: string, controlTexts: readonly string[]): string {
  return controlTexts.reduce((text, control) => text.replaceAll(control, ''), recorded);
}

export function isName(name: string): boolean {
  return name !== '' && name.length <= nameLengthMax && /^[^\s"'`<>{}()[\],]+$/.test(name);
}

/** A call whose name is known and whose arguments, a JSON object, come next. */
export function* passCall(reader: Reader, name: string, id?: string): Reading<boolean> {
  yield* skipSpace(reader);
  if (!isName(name) || (yield* peek(reader)) !== '{') return false;
  yield { kind: 'call-started', name, id };
  return yield* passArguments(reader);
}

export interface JsonCallKeys {
  readonly name: string;
  /** Any of these holds the arguments. */
  readonly parameters: readonly string[];
  /** Undefined takes every name; else only these are calls. */
  readonly only: ToolSchemas | undefined;
}

/** Reads `{"name": ..., "arguments": {...}}`. Arguments that stand before the name wait for it. */
export function* readJsonCall(reader: Reader, keys: JsonCallKeys): Reading<boolean> {
  yield* skipSpace(reader);
  if (!(yield* takeText(reader, '{'))) return false;
  const call: CallSoFar = { isNamed: false, id: undefined, waiting: undefined };
  let hasArguments = false;
  yield* skipSpace(reader);
  if (yield* takeText(reader, '}')) return false;
  for (;;) {
    const key = yield* readKey(reader);
    if (key === undefined) return false;
    if (keys.parameters.includes(key) && !hasArguments) {
      hasArguments = true;
      if (!(yield* readArguments(reader, call))) return false;
    } else {
      const value = yield* readJson(reader);
      if (value === undefined) return false;
      if (key === keys.name && !call.isNamed) {
        const name = stringIn(value);
        if (name === undefined || !isName(name) || keys.only?.has(name) === false) return false;
        yield { kind: 'call-started', name, id: call.id };
        call.isNamed = true;
        if (call.waiting !== undefined) yield { kind: 'call-arguments', text: call.waiting };
      } else if (key === 'id') call.id = stringIn(value);
    }
    yield* skipSpace(reader);
    if (yield* takeText(reader, '}')) break;
    if (!(yield* takeText(reader, ','))) return false;
  }
  if (call.isNamed && !hasArguments) yield { kind: 'call-arguments', text: '{}' };
  return call.isNamed;
}

interface CallSoFar {
  isNamed: boolean;
  id: string | undefined;
  /** Arguments that came before the name. */
  waiting: string | undefined;
}

function* readKey(reader: Reader): Reading<string | undefined> {
  yield* skipSpace(reader);
  if ((yield* peek(reader)) !== '"') return undefined;
  const key = yield* readJson(reader);
  yield* skipSpace(reader);
  if (key === undefined || !(yield* takeText(reader, ':'))) return undefined;
  yield* skipSpace(reader);
  return stringIn(key);
}

/** Arguments as an object, or as a string that holds one, or null for none. */
function* readArguments(reader: Reader, call: CallSoFar): Reading<boolean> {
  if (call.isNamed && (yield* peek(reader)) === '{') return yield* passArguments(reader);
  const value = yield* readJson(reader);
  if (value === undefined) return false;
  const text = value === 'null' ? '{}' : value.startsWith('"') ? stringIn(value) : value;
  if (text === undefined || !isObjectText(text)) return false;
  if (call.isNamed) yield { kind: 'call-arguments', text };
  else call.waiting = text;
  return true;
}

export function isObjectText(text: string): boolean {
  const value = parsed(text);
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The value of JSON text, or undefined where it is none. */
export function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function stringIn(json: string): string | undefined {
  const value = parsed(json);
  return typeof value === 'string' ? value : undefined;
}

/** Reads what is there of a name: up to the first character that no name has. */
export function* readName(reader: Reader): Reading<string> {
  let name = '';
  for (;;) {
    const next = yield* peek(reader);
    if (next === '' || !isName(next) || name.length > nameLengthMax) return name;
    name += take(reader, 1);
  }
}
