// Qwen3-Coder (and Qwen 3.5, Seed-OSS with other outer tags): <function=NAME> with a <parameter=KEY> element for each argument.
// Source: the chat template of Qwen3-Coder: values stand on lines of their own.

import { createArgumentWriter, passValue } from '../reading/argument-writer.ts';
import { isName, readCall } from '../reading/call.ts';
import { passUntil, type Reader, type Reading, readUntil, skipSpace, takeOneOf, takeText } from '../reading/reader.ts';
import { propertySchema } from '../reading/typed-value.ts';
import type { CallFormat, ToolSchemas } from '../types.ts';

const opening = '<tool_call>';
const begin = '<function=';
const parameter = '<parameter=';
const valueEnd = '</parameter>';
const end = '</function>';
const closing = '</tool_call>';

export const qwen3Coder: CallFormat = {
  name: 'qwen3-coder',
  controlTexts: [opening, closing],
  stopTexts: [],
  callIds: 'openai',
  isAlwaysRead: false,
  shape: undefined,
  *read(reader, tools) {
    // Models sometimes leave out the outer tag.
    for (;;) {
      const mark = yield* passUntil(reader, [opening, begin]);
      if (mark === undefined) return;
      yield* readCall(reader, mark, () => element(reader, tools, mark));
    }
  },
};

function* element(reader: Reader, tools: ToolSchemas, mark: string): Reading<boolean> {
  yield* skipSpace(reader);
  if (mark === opening && !(yield* takeText(reader, begin))) return false;
  const { text: name, mark: nameEnd } = yield* readUntil(reader, ['>', '\n']);
  if (nameEnd !== '>' || !isName(name)) return false;
  yield { kind: 'call-started', name, id: undefined };
  const written = createArgumentWriter();
  for (;;) {
    yield* skipSpace(reader);
    const next = yield* takeOneOf(reader, [parameter, end]);
    if (next === undefined) return false;
    if (next === end) break;
    const key = yield* readUntil(reader, ['>', '\n']);
    if (key.mark !== '>' || key.text === '') return false;
    yield written.key(key.text);
    const marks = { ends: [valueEnd], stripsNewlines: true };
    const schema = propertySchema(tools.get(name), key.text);
    if ((yield* passValue(reader, marks, schema)) === undefined) return false;
  }
  yield written.end();
  yield* skipSpace(reader);
  yield* takeText(reader, closing);
  return true;
}
