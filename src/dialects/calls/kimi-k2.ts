// Kimi K2: calls in a section of control tokens, each headed by the id that the model itself counts, functions.NAME:INDEX.
// Source: the chat template of moonshotai/Kimi-K2-Instruct and its tool-call guidance.

import { passCall, readCall } from '../reading/call.ts';
import { passUntil, type Reader, type Reading, readUntil, skipSpace, takeOneOf, takeText } from '../reading/reader.ts';
import type { CallFormat } from '../types.ts';

const section = '<|tool_calls_section_begin|>';
const begin = '<|tool_call_begin|>';
const argument = '<|tool_call_argument_begin|>';
const end = '<|tool_call_end|>';
const sectionEnd = '<|tool_calls_section_end|>';

export const kimiK2: CallFormat = {
  name: 'kimi-k2',
  controlTexts: [section, begin, argument, end, sectionEnd],
  stopTexts: [],
  callIds: 'openai',
  isAlwaysRead: false,
  shape: undefined,
  *read(reader) {
    for (;;) {
      const mark = yield* passUntil(reader, [section, begin]);
      if (mark === undefined) return;
      yield* mark === begin ? readCall(reader, mark, () => headed(reader)) : calls(reader);
    }
  },
};

function* calls(reader: Reader): Reading {
  for (;;) {
    yield* skipSpace(reader);
    const mark = yield* takeOneOf(reader, [begin, sectionEnd]);
    if (mark !== begin || !(yield* readCall(reader, mark, () => headed(reader)))) return;
  }
}

function* headed(reader: Reader): Reading<boolean> {
  const head = yield* readUntil(reader, [argument, end, '\n']);
  const id = head.text.trim();
  const name = id.replace(/^functions\./, '').replace(/:\d+$/, '');
  if (head.mark !== argument || !(yield* passCall(reader, name, id === name ? undefined : id))) return false;
  yield* skipSpace(reader);
  yield* takeText(reader, end);
  return true;
}
