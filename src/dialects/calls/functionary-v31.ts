// Functionary 3.1 (and Llama 3.1 prompted for custom functions): <function=NAME>{...}</function>, <|python_tag|> before code.
// Source: the chat template of meetkai/functionary-small-v3.1 and Meta's "user-defined custom tool calling".

import { passCall, readCall } from '../reading/call.ts';
import { interpreterIn, passCode } from '../reading/code-argument.ts';
import { passUntil, type Reader, type Reading, readUntil, skipSpace, takeText } from '../reading/reader.ts';
import type { CallFormat, ToolSchemas } from '../types.ts';

const begin = '<function=';
const end = '</function>';
const tag = '<|python_tag|>';

export const functionaryV31: CallFormat = {
  name: 'functionary-v3.1',
  controlTexts: [tag],
  stopTexts: ['<|eom_id|>'],
  callIds: 'openai',
  isAlwaysRead: false,
  shape: { begin: (called) => `${begin}${called}>`, end, separator: '\n', trigger: begin },
  *read(reader, tools) {
    for (;;) {
      const mark = yield* passUntil(reader, [begin, tag]);
      if (mark === undefined) return;
      yield* readCall(reader, mark, () => (mark === begin ? element(reader) : code(reader, tools)));
    }
  },
};

function* element(reader: Reader): Reading<boolean> {
  const head = yield* readUntil(reader, ['>', '\n']);
  if (head.mark !== '>' || !(yield* passCall(reader, head.text))) return false;
  yield* skipSpace(reader);
  yield* takeText(reader, end);
  return true;
}

function* code(reader: Reader, tools: ToolSchemas): Reading<boolean> {
  const name = interpreterIn(tools);
  if (name === undefined) return false;
  yield { kind: 'call-started', name, id: undefined };
  yield* passCode(reader, tools.get(name), []);
  return true;
}
