// gpt-oss ("harmony"): an answer is a run of messages, each with a channel: analysis is reasoning, final is the answer,
// commentary to=functions.NAME is a call, other commentary is told to the user before calls.
// Source: OpenAI's harmony response format. The prompt ends with <|start|>assistant; <|call|> and <|return|> end generation.

import { passCall, readCall } from '../reading/call.ts';
import { passUntil, type Reader, type Reading, readUntil, skipSpace, takeOneOf } from '../reading/reader.ts';
import type { CallFormat, ToolSchemas } from '../types.ts';

const start = '<|start|>';
const channel = '<|channel|>';
const constrain = '<|constrain|>';
const message = '<|message|>';
const ends = ['<|end|>', '<|call|>', '<|return|>'];
/** What a header may begin with: the prompt's end may have the first part of it already. */
const headerBegins = [start, channel, ' to=', 'to=', constrain, message];

export const harmony: CallFormat = {
  name: 'harmony',
  controlTexts: [start, channel, constrain, message, ...ends],
  stopTexts: ['<|call|>', '<|return|>'],
  callIds: 'openai',
  isAlwaysRead: true,
  shape: undefined,
  *read(reader, tools) {
    while (!reader.hasEnded || reader.rest !== '') {
      const begin = yield* takeOneOf(reader, headerBegins);
      if (begin !== undefined) yield* oneMessage(reader, tools, begin);
      // Text without a header, or left behind by a broken call.
      else yield* untilHeader(reader);
    }
  },
};

function* oneMessage(reader: Reader, tools: ToolSchemas, begin: string): Reading {
  const read = begin === message ? undefined : yield* readUntil(reader, [message, ...ends]);
  if (read !== undefined && read.mark !== message) return;
  const header = begin + (read?.text ?? '');
  const recipient = /\bto=([^\s<]+)/.exec(header)?.[1];
  const name = recipient?.replace(/^functions\./, '');
  if (name !== undefined && tools.has(name)) {
    yield* readCall(reader, '', () => callBody(reader, name));
    return;
  }
  const isAnalysis = header.slice(header.indexOf(channel)).startsWith(`${channel}analysis`);
  reader.isReasoning = isAnalysis;
  yield* untilHeader(reader, isAnalysis ? 'reasoning' : 'content');
  reader.isReasoning = false;
}

function* callBody(reader: Reader, name: string): Reading<boolean> {
  if (!(yield* passCall(reader, name))) return false;
  yield* skipSpace(reader);
  yield* takeOneOf(reader, ends);
  return true;
}

/** Passes a message's text, its end included; a next message's start stays unread. */
function* untilHeader(reader: Reader, kind: 'content' | 'reasoning' = 'content'): Reading {
  const mark = yield* passUntil(reader, [start, channel, ...ends], kind);
  if (mark === start || mark === channel) reader.rest = mark + reader.rest;
}
