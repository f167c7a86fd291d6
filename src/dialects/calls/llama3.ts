// Llama 3.1 to 3.3: an answer that is one JSON object with name and parameters; or, after <|python_tag|>, such an object,
// NAME.call(key="value", ...) for the built-in tools, or code for an interpreter.
// Source: Meta's Llama 3.1 and 3.2 prompt formats. Why only known names in bare JSON: an answer may be JSON by itself.

import { createArgumentWriter } from '../reading/argument-writer.ts';
import { readCall, readJsonCall, readName, readPossibleCall } from '../reading/call.ts';
import { interpreterIn, passCode } from '../reading/code-argument.ts';
import { readJson } from '../reading/json-text.ts';
import { more, passUntil, peek, type Reader, type Reading, skipSpace, takeText } from '../reading/reader.ts';
import type { CallFormat, ToolSchemas } from '../types.ts';

const tag = '<|python_tag|>';
const builtinCall = '.call(';
const parameters = ['parameters', 'arguments'];

export const llama3: CallFormat = {
  name: 'llama3',
  controlTexts: [tag],
  stopTexts: ['<|eom_id|>'],
  callIds: 'openai',
  isAlwaysRead: false,
  shape: {
    begin: (called) => `{"name": "${called}", "parameters": `,
    end: '}',
    separator: '; ',
    trigger: undefined,
  },
  *read(reader, tools) {
    yield* objects(reader, '', () => readJsonCall(reader, { name: 'name', parameters, only: tools }));
    for (let mark = yield* passUntil(reader, [tag]); mark !== undefined; mark = yield* passUntil(reader, [tag])) {
      yield* skipSpace(reader);
      if ((yield* peek(reader)) === '{') {
        yield* objects(reader, tag, () => readJsonCall(reader, { name: 'name', parameters, only: undefined }));
      } else yield* readCall(reader, tag, () => tagged(reader, tools));
    }
  },
};

/** One object or several, with semicolons between them. */
function* objects(reader: Reader, opening: string, read: () => Reading<boolean>): Reading {
  if (!/^\s*(\{|$)/.test(reader.rest) || !(yield* startsObject(reader))) return;
  const readObject = opening === '' ? readPossibleCall : readCall;
  while (yield* readObject(reader, opening, read)) {
    yield* skipSpace(reader);
    if (!(yield* takeText(reader, ';')) && (yield* peek(reader)) !== '{') return;
    yield* skipSpace(reader);
    if ((yield* peek(reader)) !== '{') return;
  }
}

/** Looks past white space without reading it: it belongs to the content if no object follows. */
function* startsObject(reader: Reader): Reading<boolean> {
  while (reader.rest.trimStart() === '') if (!(yield* more(reader))) return false;
  return reader.rest.trimStart().startsWith('{');
}

function* tagged(reader: Reader, tools: ToolSchemas): Reading<boolean> {
  const head = yield* builtinHead(reader);
  if (head !== undefined) return yield* builtin(reader, head);
  const interpreter = interpreterIn(tools);
  if (interpreter === undefined) return false;
  yield { kind: 'call-started', name: interpreter, id: undefined };
  yield* passCode(reader, tools.get(interpreter), []);
  return true;
}

/** The name in front of `.call(`, read with it; undefined where it is other code, which stays unread. */
function* builtinHead(reader: Reader): Reading<string | undefined> {
  for (;;) {
    const name = /^\w+/.exec(reader.rest)?.[0] ?? '';
    const behind = reader.rest.slice(name.length);
    if (name !== '' && behind.startsWith(builtinCall)) {
      yield* takeText(reader, name + builtinCall);
      return name;
    }
    if (!builtinCall.startsWith(behind) || !(yield* more(reader))) return undefined;
  }
}

function* builtin(reader: Reader, name: string): Reading<boolean> {
  yield { kind: 'call-started', name, id: undefined };
  const written = createArgumentWriter();
  yield* skipSpace(reader);
  while (!(yield* takeText(reader, ')'))) {
    const key = (yield* readName(reader)).replace(/=$/, '');
    yield* skipSpace(reader);
    const value = yield* readJson(reader);
    if (key === '' || value === undefined) return false;
    yield written.key(key);
    yield { kind: 'call-arguments', text: value };
    yield* skipSpace(reader);
    yield* takeText(reader, ',');
    yield* skipSpace(reader);
  }
  yield written.end();
  return true;
}
