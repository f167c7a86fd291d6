// Functionary 3.2: parts headed by their recipient, `all` or a function's name; ">>>" stands between them, and at the
// prompt's end before the first.
// Source: the chat template of meetkai/functionary-medium-v3.2.

import { passCall, readCall } from '../reading/call.ts';
import { interpreterIn, passCode } from '../reading/code-argument.ts';
import { passUntil, peek, type Reader, type Reading, readUntil, takeText } from '../reading/reader.ts';
import type { CallFormat, ToolSchemas } from '../types.ts';

const separator = '>>>';
const everybody = 'all';
const interpreter = 'python';

export const functionaryV32: CallFormat = {
  name: 'functionary-v3.2',
  controlTexts: [],
  stopTexts: [],
  callIds: 'openai',
  isAlwaysRead: true,
  shape: undefined,
  *read(reader, tools) {
    yield* takeText(reader, separator);
    while ((yield* peek(reader)) !== '') {
      const { text, mark } = yield* readUntil(reader, ['\n', separator]);
      if (mark === separator) yield { kind: 'content', text };
      else yield* part(reader, tools, text + (mark ?? ''));
    }
  },
};

/** One part, whose first line is read. A line that names no recipient is content. */
function* part(reader: Reader, tools: ToolSchemas, line: string): Reading {
  const recipient = line.trim();
  const name = recipient === interpreter ? interpreterIn(tools) : tools.has(recipient) ? recipient : undefined;
  if (name !== undefined) yield* readCall(reader, line, () => body(reader, tools, name));
  else if (recipient !== everybody) yield { kind: 'content', text: line };
  yield* passUntil(reader, [separator]);
}

function* body(reader: Reader, tools: ToolSchemas, name: string): Reading<boolean> {
  if (name !== interpreterIn(tools) || (yield* peek(reader)) === '{') return yield* passCall(reader, name);
  yield { kind: 'call-started', name, id: undefined };
  const mark = yield* passCode(reader, tools.get(name), [separator]);
  if (mark !== undefined) reader.rest = mark + reader.rest;
  return true;
}
