// Whether a generated answer is right, by the rules that the demo model's probes were made for.
// Source: `grade` in tools/demo-model/chatfmt.py; JSON is compared by value, so that blanks and the order of keys do not count.

import { assertNever } from '../../../assert.ts';

export const matches = ['exact', 'contains', 'json', 'tool_call'] as const;
export type Match = (typeof matches)[number];

export interface Expected {
  readonly answer: string;
  readonly match: Match;
}

/** `exact`: equal but for outer blanks; `contains`: anywhere, in any case; `json`: equal values; `tool_call`: equal calls, in order. */
export function isRight(output: string, { answer, match }: Expected): boolean {
  const given = output.trim();
  switch (match) {
    case 'exact':
      return given === answer.trim();
    case 'contains':
      return given.toLowerCase().includes(answer.toLowerCase());
    case 'json':
      return sameJson(given, answer);
    case 'tool_call':
      return sameCalls(callsIn(given), callsIn(answer));
    default:
      return assertNever(match);
  }
}

const callPattern = /<tool_call>\s*(\{.*?\})\s*<\/tool_call>/gs;

function callsIn(text: string): string[] {
  return [...text.matchAll(callPattern)].map((found) => found[1] ?? '');
}

function sameCalls(given: readonly string[], wanted: readonly string[]): boolean {
  return (
    given.length > 0 &&
    given.length === wanted.length &&
    given.every((call, index) => sameJson(call, wanted[index] ?? ''))
  );
}

function sameJson(given: string, wanted: string): boolean {
  try {
    return canonical(JSON.parse(given)) === canonical(JSON.parse(wanted));
  } catch {
    return false;
  }
}

/** One text for all writings of a value: keys in order. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([key, entry]) => `${JSON.stringify(key)}:${canonical(entry)}`).join()}}`;
}
