// DeepSeek R1, V3 and V3.1: calls in a section of tokens with full-width bars. V3 and R1 write the type, the name and
// fenced JSON; V3.1 the name and bare JSON.
// Source: the chat templates of deepseek-ai/DeepSeek-R1, DeepSeek-V3 and DeepSeek-V3.1.

import { passCall, readCall } from '../reading/call.ts';
import {
  passUntil,
  peek,
  type Reader,
  type Reading,
  readUntil,
  skipSpace,
  takeOneOf,
  takeText,
} from '../reading/reader.ts';
import type { CallFormat } from '../types.ts';

const section = '<｜tool▁calls▁begin｜>';
/** Distilled models write the section's mark in letters of their own vocabulary. */
const sections = [section, '<｜tool_calls_begin｜>', '<｜tool calls begin｜>', '<｜tool\\_calls\\_begin｜>'];
const begin = '<｜tool▁call▁begin｜>';
const separator = '<｜tool▁sep｜>';
const end = '<｜tool▁call▁end｜>';
const sectionEnd = '<｜tool▁calls▁end｜>';

export const deepseek: CallFormat = {
  name: 'deepseek',
  controlTexts: [section, begin, separator, end, sectionEnd],
  stopTexts: [],
  callIds: 'openai',
  isAlwaysRead: false,
  shape: undefined,
  *read(reader) {
    for (;;) {
      const mark = yield* passUntil(reader, [...sections, begin]);
      if (mark === undefined) return;
      yield* mark === begin ? readCall(reader, mark, () => separated(reader)) : calls(reader);
    }
  },
};

function* calls(reader: Reader): Reading {
  for (;;) {
    yield* skipSpace(reader);
    const mark = yield* takeOneOf(reader, [begin, sectionEnd]);
    if (mark !== begin || !(yield* readCall(reader, mark, () => separated(reader)))) return;
  }
}

function* separated(reader: Reader): Reading<boolean> {
  const head = yield* readUntil(reader, [separator, end]);
  if (head.mark !== separator) return false;
  yield* skipSpace(reader);
  const isBare = (yield* peek(reader)) === '{';
  const name = (isBare ? head.text : (yield* readUntil(reader, ['\n'])).text).trim();
  yield* skipSpace(reader);
  yield* takeOneOf(reader, ['```json', '```']);
  if (!(yield* passCall(reader, name))) return false;
  yield* skipSpace(reader);
  yield* takeText(reader, '```');
  yield* skipSpace(reader);
  yield* takeText(reader, end);
  return true;
}
