// Mistral: [TOOL_CALLS] and a JSON list of calls (up to Mistral Nemo), or for each call [TOOL_CALLS]NAME[ARGS]{...}, with
// [CALL_ID] between them in some releases (Mistral Small 3.2, Magistral, Devstral, Ministral 3).
// Source: mistral-common's tokenizer versions 3, 11 and 13, and the chat templates of those models.

import { passCall, readCall, readJsonCall, readName } from '../reading/call.ts';
import { passUntil, type Reader, type Reading, readUntil, skipSpace, takeOneOf, takeText } from '../reading/reader.ts';
import type { CallFormat } from '../types.ts';

const begin = '[TOOL_CALLS]';
const callId = '[CALL_ID]';
const argument = '[ARGS]';
const keys = { name: 'name', parameters: ['arguments', 'parameters'], only: undefined };

export const mistral: CallFormat = {
  name: 'mistral',
  controlTexts: [begin, callId, argument],
  stopTexts: [],
  callIds: 'mistral',
  isAlwaysRead: false,
  shape: undefined,
  *read(reader) {
    for (let mark = yield* passUntil(reader, [begin]); mark !== undefined; mark = yield* passUntil(reader, [begin])) {
      yield* skipSpace(reader);
      const next = yield* takeOneOf(reader, ['[', begin, callId, argument]);
      if (next === '[') yield* list(reader);
      else {
        reader.rest = (next ?? '') + reader.rest;
        yield* readCall(reader, begin, () => named(reader));
      }
    }
  },
};

function* list(reader: Reader): Reading {
  let opening = `${begin}[`;
  do {
    if (!(yield* readCall(reader, opening, () => readJsonCall(reader, keys)))) return;
    opening = ',';
    yield* skipSpace(reader);
  } while (yield* takeText(reader, ','));
  yield* takeText(reader, ']');
}

function* named(reader: Reader): Reading<boolean> {
  const name = yield* readName(reader);
  const mark = yield* takeOneOf(reader, [callId, argument]);
  let id: string | undefined;
  if (mark === callId) {
    const stretch = yield* readUntil(reader, [argument]);
    id = stretch.text.trim();
    if (stretch.mark === undefined || !/^[a-zA-Z0-9]{9}$/.test(id)) return false;
  }
  return yield* passCall(reader, name, id);
}
