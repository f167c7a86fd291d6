// JSON inside an answer: a value passed on as a call's arguments while it is written, or kept.

import { createJsonScanner } from './json-scanner.ts';
import { more, type Reader, type Reading, skipSpace, take } from './reader.ts';

/** Reads one JSON value; undefined where the text is none, with everything up to the fault read. */
export function* readJson(reader: Reader): Reading<string | undefined> {
  let text = '';
  const isWhole = yield* scanJson(reader, (piece) => {
    text += piece;
  });
  return isWhole ? text : undefined;
}

/** Reads one JSON object as a call's arguments, passed on as they come. False where the text is none. */
export function* passArguments(reader: Reader): Reading<boolean> {
  yield* skipSpace(reader);
  if (!reader.rest.startsWith('{')) return false;
  const pieces: string[] = [];
  const scanning = scanJson(reader, (piece) => pieces.push(piece));
  for (let step = scanning.next(); ; step = scanning.next()) {
    const text = pieces.splice(0).join('');
    if (text !== '') yield { kind: 'call-arguments', text };
    if (step.done) return step.value;
    yield step.value;
  }
}

function* scanJson(reader: Reader, give: (piece: string) => void): Reading<boolean> {
  const scanner = createJsonScanner();
  for (;;) {
    const end = scanner.scan(reader.rest, 0);
    if (end > 0) give(take(reader, end));
    if (scanner.state !== 'open') return scanner.state === 'whole';
    if (!(yield* more(reader)) && reader.rest === '') return scanner.endsWhole();
  }
}
