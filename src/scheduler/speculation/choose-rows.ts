// How many guesses a step computes for each sequence: as many as raise the tokens it is expected to bring per millisecond.
// Why the whole curve is looked at and not the next row alone: kernels work in tiles, so that a second row may cost as much
// as three more after it.

import { expectedTokens } from './acceptance.ts';

export interface RowCandidate {
  /** Chance that one more token of its guess comes true. */
  readonly rate: number;
  /** Guesses there are, and may be computed. */
  readonly rowsMax: number;
}

export interface RowQuestion {
  /** Sequences of the step, those without a guess included: each brings one token in any case. */
  readonly decodeCount: number;
  /** Expected milliseconds of the step without guesses. */
  readonly plainMs: number;
  /** Expected milliseconds that extra rows add. */
  readonly extraMs: (extraRows: number) => number;
  readonly candidates: readonly RowCandidate[];
  /** Extra rows that the step has room for. */
  readonly extraRowsMax: number;
  /** Whether the kernels compute as many rows of each sequence as of any, so that all of them cost. */
  readonly equalRows: boolean;
}

/** A gain below this is noise. */
export const gainMin = 1.05;
/** Guesses less probable than this are not worth looking at. */
const chanceMin = 0.02;

/** Rows for each candidate, in their order; all 0 where nothing pays. O(rows * log rows). */
export function chooseRows(question: RowQuestion): readonly number[] {
  return question.equalRows ? chooseEqualRows(question) : chooseRowsFreely(question);
}

function gainOf({ decodeCount, plainMs, extraMs }: RowQuestion, extraRows: number, extraTokens: number): number {
  return ((1 + extraTokens / decodeCount) * plainMs) / (plainMs + extraMs(extraRows));
}

function chooseEqualRows(question: RowQuestion): readonly number[] {
  const { candidates, decodeCount, extraRowsMax } = question;
  const longest = candidates.reduce((most, { rowsMax }) => Math.max(most, rowsMax), 0);
  const expected = candidates.map(({ rate, rowsMax }) => expectedTokens(rate, rowsMax));
  let best = { gain: gainMin, count: 0 };
  for (let count = 1; count <= longest && count * decodeCount <= extraRowsMax; count++) {
    const extraTokens = expected.reduce((sum, tokens) => sum + (tokens[Math.min(count, tokens.length - 1)] ?? 0), 0);
    const gain = gainOf(question, count * decodeCount, extraTokens);
    if (gain > best.gain) best = { gain, count };
  }
  return candidates.map(({ rowsMax }) => Math.min(best.count, rowsMax));
}

function chooseRowsFreely(question: RowQuestion): readonly number[] {
  const { candidates, extraRowsMax } = question;
  const chances = candidates.flatMap(({ rate, rowsMax }, index) =>
    chancesOf(rate, rowsMax).map((chance) => ({ chance, index })),
  );
  // Stable: of equal chances the earlier place in a draft comes first.
  chances.sort((a, b) => b.chance - a.chance);
  let best = { gain: gainMin, count: 0 };
  let extraTokens = 0;
  for (const [taken, { chance }] of chances.slice(0, extraRowsMax).entries()) {
    extraTokens += chance;
    const gain = gainOf(question, taken + 1, extraTokens);
    if (gain > best.gain) best = { gain, count: taken + 1 };
  }
  const counts = candidates.map(() => 0);
  for (const { index } of chances.slice(0, best.count)) counts[index] = (counts[index] ?? 0) + 1;
  return counts;
}

/** The chance of each place of a draft, as far as it is worth looking at. */
function chancesOf(rate: number, rowsMax: number): number[] {
  const chances: number[] = [];
  for (let chance = rate; chances.length < rowsMax && chance >= chanceMin; chance *= rate) chances.push(chance);
  return chances;
}

/** Whether guesses that always come true would pay: where they would not, nobody need guess. */
export function couldPay(question: Omit<RowQuestion, 'candidates'>, rowsMax: number): boolean {
  const { decodeCount, extraRowsMax } = question;
  const all = { ...question, candidates: [] };
  for (let count = 1; count <= rowsMax && count * decodeCount <= extraRowsMax; count++) {
    if (gainOf(all, count * decodeCount, count * decodeCount) > gainMin) return true;
  }
  return false;
}
