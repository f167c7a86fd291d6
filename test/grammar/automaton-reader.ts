// Reads texts by an automaton alone, without XGrammar.

import { automatonOf } from '../../src/grammar/regex/automaton.ts';
import type { Pattern } from '../../src/grammar/regex/syntax.ts';

/** Whether the pattern's automaton accepts a text. */
export function readerOf(pattern: Pattern): (text: string) => boolean {
  const automaton = automatonOf(pattern);
  if (automaton === undefined) throw new Error('the pattern needs too many states');
  return (text) => {
    let state = automaton[0];
    for (const character of text) {
      const code = character.codePointAt(0) ?? 0;
      const move = state?.moves.find(({ set }) => set.some(([from, to]) => from <= code && code <= to));
      state = move === undefined ? undefined : automaton[move.to];
    }
    return state?.isEnd ?? false;
  };
}
