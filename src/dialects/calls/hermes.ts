// Hermes and Qwen 2.5 / Qwen 3: a JSON object in <tool_call> tags, one or several.
// Source: NousResearch's Hermes function-calling format and the chat templates of Qwen2.5 and Qwen3.

import { readCall, readJsonCall } from '../reading/call.ts';
import { passUntil, type Reader, type Reading, skipSpace, takeText } from '../reading/reader.ts';
import type { CallFormat } from '../types.ts';

const begin = '<tool_call>';
const end = '</tool_call>';
const keys = { name: 'name', parameters: ['arguments', 'parameters'], only: undefined };

export const hermes: CallFormat = {
  name: 'hermes',
  controlTexts: [begin, end],
  stopTexts: [],
  callIds: 'openai',
  isAlwaysRead: false,
  shape: {
    begin: (called) => `${begin}\n{"name": "${called}", "arguments": `,
    end: `}\n${end}`,
    separator: '\n',
    trigger: begin,
  },
  *read(reader) {
    for (let mark = yield* passUntil(reader, [begin]); mark !== undefined; mark = yield* passUntil(reader, [begin])) {
      yield* readCall(reader, mark, () => tagged(reader));
    }
  },
};

/** The end tag may be missing: the object says where it ends. */
function* tagged(reader: Reader): Reading<boolean> {
  if (!(yield* readJsonCall(reader, keys))) return false;
  yield* skipSpace(reader);
  yield* takeText(reader, end);
  return true;
}
