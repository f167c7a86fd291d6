// Reading text that arrives in pieces as if all of it were there: a parser is a generator that yields events, and yields
// `needMore` where it cannot decide yet.
// Why generators: a hand-written state machine for each format would be longer than the format, and the law that any
// cutting of the text gives the same events then rests on these few functions alone.

import type { AnswerEvent } from '../events.ts';

export const needMore = { kind: 'need-more' } as const;

/** A parser in progress: its events, and at last its result. */
export type Reading<Result = void> = Generator<AnswerEvent | typeof needMore, Result, void>;

/** Text not read yet, and what is remembered of the text that was. */
export interface Reader {
  /** Arrived and not read. */
  rest: string;
  /** No more will arrive. */
  hasEnded: boolean;
  /** Whether what is being read is reasoning. */
  isReasoning: boolean;
  /** Everything read since the present call began, for giving it back as content; undefined outside calls. */
  recorded: string | undefined;
  /** Control tokens that are shown to the parser and never to a client. */
  readonly controlTexts: readonly string[];
}

export function createReader(controlTexts: readonly string[] = []): Reader {
  return { rest: '', hasEnded: false, isReasoning: false, recorded: undefined, controlTexts };
}

/** Reads `length` characters that have arrived. */
export function take(reader: Reader, length: number): string {
  const text = reader.rest.slice(0, length);
  reader.rest = reader.rest.slice(length);
  if (reader.recorded !== undefined) reader.recorded += text;
  return text;
}

/** Waits for text. False at the end of it. */
export function* more(reader: Reader): Reading<boolean> {
  if (reader.hasEnded) return false;
  yield needMore;
  return true;
}

/** The next character without reading it; '' at the end. */
export function* peek(reader: Reader): Reading<string> {
  while (reader.rest === '') if (!(yield* more(reader))) return '';
  return reader.rest.charAt(0);
}

export function* skipSpace(reader: Reader): Reading {
  do {
    take(reader, reader.rest.length - reader.rest.trimStart().length);
  } while (reader.rest === '' && (yield* more(reader)));
}

/** Reads one of `texts` if it comes next, the longest that fits; undefined when none does. */
export function* takeOneOf(reader: Reader, texts: readonly string[]): Reading<string | undefined> {
  for (;;) {
    const mayGrow = texts.some((text) => text.length > reader.rest.length && text.startsWith(reader.rest));
    if (!mayGrow || !(yield* more(reader))) break;
  }
  const found = longest(texts.filter((text) => reader.rest.startsWith(text)));
  if (found !== undefined) take(reader, found.length);
  return found;
}

export function* takeText(reader: Reader, text: string): Reading<boolean> {
  return (yield* takeOneOf(reader, [text])) !== undefined;
}

/** Text up to a mark, and the mark, which is read as well; undefined where the text ends without one. */
export interface Stretch {
  readonly text: string;
  readonly mark: string | undefined;
}

/** Reads up to the first of `marks`, giving what is certainly before it piece by piece; the mark is read as well. */
export function* readPieces(
  reader: Reader,
  marks: readonly string[],
  give: (text: string) => AnswerEvent | undefined,
): Reading<string | undefined> {
  for (;;) {
    const found = firstOf(reader.rest, marks);
    const open = reader.hasEnded ? reader.rest.length : unfinishedStart(reader.rest, marks);
    // A longer mark that begins no later may still be on its way.
    const decided = found !== undefined && open > found.index ? found : undefined;
    const safeLength = Math.min(decided?.index ?? open, open);
    if (safeLength > 0) {
      const event = give(take(reader, safeLength));
      if (event !== undefined) yield event;
    }
    if (decided !== undefined) return take(reader, decided.mark.length);
    if (!(yield* more(reader)) && reader.rest === '') return undefined;
  }
}

/** Reads up to the first of `marks`. */
export function* readUntil(reader: Reader, marks: readonly string[]): Reading<Stretch> {
  let text = '';
  const mark = yield* readPieces(reader, marks, (piece) => {
    text += piece;
    return undefined;
  });
  return { text, mark };
}

/**
 * Passes text on as content or reasoning up to the first of `marks`, which is read and returned; undefined at the end.
 * Other control tokens on the way are dropped: they are nothing a client should see.
 */
export function* passUntil(
  reader: Reader,
  marks: readonly string[],
  kind: 'content' | 'reasoning' = 'content',
): Reading<string | undefined> {
  const all = [...marks, ...reader.controlTexts];
  for (;;) {
    const mark = yield* readPieces(reader, all, (text) => ({ kind, text }));
    if (mark === undefined || marks.includes(mark)) return mark;
  }
}

/** The mark that begins first, the longest among those that begin together. */
function firstOf(text: string, marks: readonly string[]): { index: number; mark: string } | undefined {
  let first: { index: number; mark: string } | undefined;
  for (const mark of marks) {
    const index = text.indexOf(mark);
    if (index < 0) continue;
    if (first === undefined || index < first.index || (index === first.index && mark.length > first.mark.length)) {
      first = { index, mark };
    }
  }
  return first;
}

/** Where the end of `text` may be the beginning of a mark; its length where it is not. */
function unfinishedStart(text: string, marks: readonly string[]): number {
  const lengthMax = marks.reduce((length, mark) => Math.max(length, mark.length), 0);
  for (let start = Math.max(0, text.length - lengthMax + 1); start < text.length; start += 1) {
    const tail = text.slice(start);
    if (marks.some((mark) => mark.length > tail.length && mark.startsWith(tail))) return start;
  }
  return text.length;
}

function longest(texts: readonly string[]): string | undefined {
  return texts.reduce<string | undefined>(
    (best, text) => (best === undefined || text.length > best.length ? text : best),
    undefined,
  );
}
