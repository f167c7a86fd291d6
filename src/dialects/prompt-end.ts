// Whether a prompt ends inside the reasoning: some templates write the begin mark themselves.

import type { ReasoningFormat } from './types.ts';

/** `promptEnd`: the last part of the prompt's text, control tokens shown. */
export function endsInsideReasoning(promptEnd: string, { begin, end }: ReasoningFormat): boolean {
  const text = promptEnd.trimEnd();
  const mark = begin.trimEnd();
  return text.endsWith(mark) && !text.endsWith(end);
}
