// How model families mark their reasoning, and the reader that takes it out of an answer.
// Why the marks count at the start of an answer only: later they are what the user asked to see, such as code about them.

import { passUntil, type Reader, type Reading, takeOneOf } from './reading/reader.ts';
import type { ReasoningFormat } from './types.ts';

interface Marks {
  readonly name: string;
  readonly begin: string;
  readonly end: string;
  /** Tokens within the marks, where a mark is more than one. */
  readonly controlTexts?: readonly string[];
}

const marked = ({ name, begin, end, controlTexts }: Marks): ReasoningFormat => ({
  name,
  isChannel: false,
  begin,
  end,
  opening: '',
  ending: `${end}\n\n`,
  controlTexts: controlTexts ?? [begin, end],
});

/** Qwen 3, QwQ, DeepSeek, GLM, Kimi, Nemotron and others. */
export const think = marked({ name: 'think', begin: '<think>', end: '</think>' });
/** Magistral and Ministral 3. */
export const mistralThink = marked({ name: 'mistral', begin: '[THINK]', end: '[/THINK]' });
/** Seed-OSS. */
export const seedThink = marked({ name: 'seed', begin: '<seed:think>', end: '</seed:think>' });
/** Command R7B, Command A. */
export const commandThink = marked({ name: 'command', begin: '<|START_THINKING|>', end: '<|END_THINKING|>' });
/** Gemma 4. */
export const gemmaThought = marked({
  name: 'gemma',
  begin: '<|channel>thought\n',
  end: '<channel|>',
  controlTexts: ['<|channel>', '<channel|>'],
});
/** gpt-oss: the analysis channel; read by the call format of the same name. */
export const harmonyAnalysis: ReasoningFormat = {
  name: 'harmony',
  isChannel: true,
  begin: '<|channel|>analysis<|message|>',
  end: '<|end|>',
  opening: '<|channel|>final<|message|>',
  ending: '<|end|><|start|>assistant<|channel|>final<|message|>',
  controlTexts: [],
};

/** Reads reasoning at the start of an answer; everything else is content. */
export function* readReasoning(reader: Reader, { begin, end }: ReasoningFormat, startsInside: boolean): Reading {
  const { isOpen, blank } = yield* opening(reader, begin);
  if (isOpen || startsInside) {
    reader.isReasoning = true;
    const mark = yield* passUntil(reader, [end], 'reasoning');
    reader.isReasoning = mark === undefined;
  } else if (blank !== '') yield { kind: 'content', text: blank };
  yield* passUntil(reader, []);
}

/** Reads the begin mark if it comes next, and white space in front of it. */
function* opening(reader: Reader, begin: string): Reading<{ isOpen: boolean; blank: string }> {
  let blank = '';
  for (;;) {
    if ((yield* takeOneOf(reader, [begin])) !== undefined) return { isOpen: true, blank };
    const space = yield* takeOneOf(reader, [' ', '\n', '\r', '\t']);
    if (space === undefined) return { isOpen: false, blank };
    blank += space;
  }
}
