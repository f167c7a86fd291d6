// The format of last resort, for templates that know no tools: the model is told to answer with JSON alone,
// {"name": ..., "arguments": {...}}, or a list of them, perhaps in a code fence (tools-prompt.ts has the words).
// Why only known names count: any other JSON is an answer.

import { readJsonCall, readPossibleCall } from '../reading/call.ts';
import { more, passUntil, type Reader, type Reading, skipSpace, take, takeText } from '../reading/reader.ts';
import type { CallFormat, CallShape, ToolSchemas } from '../types.ts';

const parameters = ['arguments', 'parameters'];
/** A fence, a list's bracket, the object. */
const opening = /^\s*(```(?:json|tool_call|tool_code)?\s*)?(\[\s*)?\{/;
const openingSoFar = /^\s*(`{0,3}|```[a-z_]{0,9}\s*(\[\s*)?|\[\s*)$/;

/** The words of a call as the model is told them. */
export const jsonShape: CallShape = {
  begin: (called) => `{"name": "${called}", "arguments": `,
  end: '}',
  separator: '\n',
  trigger: undefined,
};

export const json: CallFormat = {
  name: 'json',
  controlTexts: [],
  stopTexts: [],
  callIds: 'openai',
  isAlwaysRead: false,
  shape: jsonShape,
  *read(reader, tools) {
    while (openingSoFar.test(reader.rest) && (yield* more(reader)));
    const found = opening.exec(reader.rest);
    if (found !== null) {
      const [whole] = found;
      const mayClose = { fence: found[1] !== undefined, list: found[2] !== undefined };
      const before = take(reader, whole.length - 1);
      yield* objects(reader, { before, tools, ...mayClose });
    }
    yield* passUntil(reader, []);
  },
};

interface Objects {
  readonly before: string;
  readonly tools: ToolSchemas;
  readonly fence: boolean;
  readonly list: boolean;
}

function* objects(reader: Reader, { before, tools, fence, list }: Objects): Reading {
  const read = () => readJsonCall(reader, { name: 'name', parameters, only: tools });
  if (!(yield* readPossibleCall(reader, before, read))) return;
  for (;;) {
    yield* skipSpace(reader);
    const separated = yield* takeText(reader, list ? ',' : ';');
    yield* skipSpace(reader);
    if (!separated && !reader.rest.startsWith('{')) break;
    if (!(yield* readPossibleCall(reader, separated ? ',' : '', read))) return;
  }
  if (list) yield* takeText(reader, ']');
  yield* skipSpace(reader);
  if (fence) yield* takeText(reader, '```');
}
