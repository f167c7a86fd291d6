// FunctionGemma and Gemma 4: call:NAME{key:value,...} between marks, with a mark of its own around every text.
// Source: Google's "FunctionGemma formatting and best practices", and the chat template of Gemma 4.

import { createArgumentWriter, stringPiece } from '../reading/argument-writer.ts';
import { isName, parsed, readCall } from '../reading/call.ts';
import {
  passUntil,
  peek,
  type Reader,
  type Reading,
  readPieces,
  readUntil,
  skipSpace,
  take,
  takeOneOf,
  takeText,
} from '../reading/reader.ts';
import type { CallFormat } from '../types.ts';

const begins = ['<start_function_call>', '<|tool_call>'];
const ends = ['<end_function_call>', '<tool_call|>'];
const quotes = ['<escape>', '<|"|>'];
const depthMax = 64;

export const gemma: CallFormat = {
  name: 'gemma',
  controlTexts: [...begins, ...ends, ...quotes],
  stopTexts: ['<start_function_response>', '<|tool_response>'],
  callIds: 'openai',
  isAlwaysRead: false,
  shape: undefined,
  *read(reader) {
    for (let mark = yield* passUntil(reader, begins); mark !== undefined; mark = yield* passUntil(reader, begins)) {
      yield* readCall(reader, mark, () => marked(reader));
    }
  },
};

function* marked(reader: Reader): Reading<boolean> {
  yield* skipSpace(reader);
  if (!(yield* takeText(reader, 'call:'))) return false;
  const head = yield* readUntil(reader, ['{', '\n', ...ends]);
  const name = head.text.trim();
  if (head.mark !== '{' || !isName(name)) return false;
  yield { kind: 'call-started', name, id: undefined };
  if (!(yield* members(reader, 0))) return false;
  yield* skipSpace(reader);
  yield* takeOneOf(reader, ends);
  return true;
}

/** The members of an object whose brace is read, to its end. */
function* members(reader: Reader, depth: number): Reading<boolean> {
  const written = createArgumentWriter();
  yield* skipSpace(reader);
  while (!(yield* takeText(reader, '}'))) {
    const quote = yield* takeOneOf(reader, quotes);
    const key = yield* readUntil(reader, quote === undefined ? [':', '}', '\n'] : [quote]);
    if (quote !== undefined && !(yield* takeText(reader, ':'))) return false;
    if (key.text.trim() === '' || key.mark === undefined || key.mark === '}' || key.mark === '\n') return false;
    yield written.key(key.text.trim());
    if (!(yield* value(reader, depth + 1))) return false;
    if (!(yield* separator(reader, '}'))) return false;
  }
  yield written.end();
  return true;
}

function* entries(reader: Reader, depth: number): Reading<boolean> {
  let opening = '[';
  yield* skipSpace(reader);
  while (!(yield* takeText(reader, ']'))) {
    yield { kind: 'call-arguments', text: opening };
    opening = ', ';
    if (!(yield* value(reader, depth + 1))) return false;
    if (!(yield* separator(reader, ']'))) return false;
  }
  yield { kind: 'call-arguments', text: opening === '[' ? '[]' : ']' };
  return true;
}

/** A comma, or nothing in front of the closing bracket. */
function* separator(reader: Reader, close: string): Reading<boolean> {
  yield* skipSpace(reader);
  const hasComma = yield* takeText(reader, ',');
  yield* skipSpace(reader);
  return hasComma || (yield* peek(reader)) === close;
}

function* value(reader: Reader, depth: number): Reading<boolean> {
  if (depth > depthMax) return false;
  yield* skipSpace(reader);
  const quote = yield* takeOneOf(reader, quotes);
  if (quote !== undefined) return yield* quoted(reader, quote);
  if (yield* takeText(reader, '{')) return yield* members(reader, depth);
  if (yield* takeText(reader, '[')) return yield* entries(reader, depth);
  return yield* bare(reader);
}

function* quoted(reader: Reader, quote: string): Reading<boolean> {
  yield { kind: 'call-arguments', text: '"' };
  const mark = yield* readPieces(reader, [quote], stringPiece);
  if (mark !== undefined) yield { kind: 'call-arguments', text: '"' };
  return mark !== undefined;
}

/** A number, true, false or null; anything else is text whose marks are missing. */
function* bare(reader: Reader): Reading<boolean> {
  let text = '';
  for (;;) {
    const next = yield* peek(reader);
    if (next === '') return false;
    if (',}]'.includes(next)) break;
    text += take(reader, 1);
  }
  const trimmed = text.trim();
  const isJson = trimmed !== '' && parsed(trimmed) !== undefined;
  yield { kind: 'call-arguments', text: isJson ? trimmed : JSON.stringify(trimmed) };
  return true;
}
