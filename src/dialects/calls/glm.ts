// GLM 4.5 to 4.7: <tool_call>NAME with pairs of <arg_key> and <arg_value>; text as it is, everything else as JSON.
// Source: the chat templates of GLM-4.5, GLM-4.6 (a newline after the name) and GLM-4.7 (none).

import { createArgumentWriter, passValue } from '../reading/argument-writer.ts';
import { isName, readCall } from '../reading/call.ts';
import { passUntil, type Reader, type Reading, readUntil, skipSpace, takeOneOf, takeText } from '../reading/reader.ts';
import { propertySchema } from '../reading/typed-value.ts';
import type { CallFormat, ToolSchemas } from '../types.ts';

const begin = '<tool_call>';
const keyBegin = '<arg_key>';
const keyEnd = '</arg_key>';
const valueBegin = '<arg_value>';
const valueEnd = '</arg_value>';
const end = '</tool_call>';

export const glm: CallFormat = {
  name: 'glm',
  controlTexts: [begin, keyBegin, keyEnd, valueBegin, valueEnd, end],
  stopTexts: ['<|observation|>'],
  callIds: 'openai',
  isAlwaysRead: false,
  shape: undefined,
  *read(reader, tools) {
    for (let mark = yield* passUntil(reader, [begin]); mark !== undefined; mark = yield* passUntil(reader, [begin])) {
      yield* readCall(reader, mark, () => pairs(reader, tools));
    }
  },
};

function* pairs(reader: Reader, tools: ToolSchemas): Reading<boolean> {
  yield* skipSpace(reader);
  const head = yield* readUntil(reader, ['\n', keyBegin, end]);
  const name = head.text.trim();
  if (head.mark === undefined || !isName(name)) return false;
  yield { kind: 'call-started', name, id: undefined };
  const written = createArgumentWriter();
  let next: string | undefined = head.mark;
  for (;;) {
    yield* skipSpace(reader);
    if (next === '\n') next = yield* takeOneOf(reader, [keyBegin, end]);
    if (next === undefined) return false;
    if (next === end) break;
    const key = yield* readUntil(reader, [keyEnd]);
    if (key.mark === undefined) return false;
    yield* skipSpace(reader);
    if (!(yield* takeText(reader, valueBegin))) return false;
    yield written.key(key.text);
    const schema = propertySchema(tools.get(name), key.text);
    if ((yield* passValue(reader, { ends: [valueEnd], stripsNewlines: false }, schema)) === undefined) return false;
    next = '\n';
  }
  yield written.end();
  return true;
}
