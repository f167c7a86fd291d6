// Arguments that a model writes one by one, in marks, as the JSON object that a client expects: `{"key": value, ...}`.

import type { AnswerEvent } from '../events.ts';
import { type Reader, type Reading, readPieces } from './reader.ts';
import { isTextOnly, jsonOf } from './typed-value.ts';

export interface ArgumentWriter {
  /** The text in front of the next value. */
  key(name: string): AnswerEvent;
  /** The end of the object. */
  end(): AnswerEvent;
}

export function createArgumentWriter(): ArgumentWriter {
  let count = 0;
  const written = (text: string): AnswerEvent => ({ kind: 'call-arguments', text });
  return {
    key(name) {
      count += 1;
      return written(`${count === 1 ? '{' : ', '}${JSON.stringify(name)}: `);
    },
    end: () => written(count === 0 ? '{}' : '}'),
  };
}

/** A piece of a JSON string's inside. Not JSON.stringify: a piece may end between the halves of a character. */
export function stringPiece(text: string): AnswerEvent {
  // Everything but quotes, backslashes and what is below the space.
  const escaped = text.replace(/[^ !#-[\]-\uffff]/g, (character) => JSON.stringify(character).slice(1, -1));
  return { kind: 'call-arguments', text: escaped };
}

export interface ValueMarks {
  /** What ends the value. */
  readonly ends: readonly string[];
  /** One newline after the opening and one before the end belong to the marks, not to the value. */
  readonly stripsNewlines: boolean;
}

/** Reads a value up to its end mark and writes it by its schema; text is passed on as it comes. Answers the mark. */
export function* passValue(reader: Reader, marks: ValueMarks, schema: unknown): Reading<string | undefined> {
  if (isTextOnly(schema)) return yield* passTextValue(reader, marks);
  let text = '';
  const mark = yield* readPieces(reader, marks.ends, (piece) => {
    text += piece;
    return undefined;
  });
  const value = marks.stripsNewlines ? text.replace(/^\n/, '').replace(/\n$/, '') : text;
  if (mark !== undefined) yield { kind: 'call-arguments', text: jsonOf(value, schema) };
  return mark;
}

function* passTextValue(reader: Reader, marks: ValueMarks): Reading<string | undefined> {
  let isFirst = true;
  let held = '';
  yield { kind: 'call-arguments', text: '"' };
  const mark = yield* readPieces(reader, marks.ends, (piece) => {
    let text = held + (isFirst && marks.stripsNewlines ? piece.replace(/^\n/, '') : piece);
    isFirst = false;
    held = '';
    if (marks.stripsNewlines && text.endsWith('\n')) {
      held = '\n';
      text = text.slice(0, -1);
    }
    return stringPiece(text);
  });
  if (mark !== undefined) yield { kind: 'call-arguments', text: '"' };
  return mark;
}
