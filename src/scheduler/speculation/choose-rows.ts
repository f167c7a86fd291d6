// How many guesses a step computes for each sequence: as many as raise the tokens it is expected to bring per millisecond.
// Why the whole curve is looked at and not the next row alone: kernels work in tiles, so that a second row may cost as much
// as three more after it.

export interface RowCandidate {
  /** For each guess there is, the chance that it and all before it come true; never rising. */
  readonly chances: readonly number[];
  /** What they are to be multiplied by, at most 1. */
  readonly trust: number;
}

export interface RowQuestion {
  /** Sequences of the step, those without a guess included: each brings one token in any case. */
  readonly decodeCount: number;
  /** Expected milliseconds of the step without guesses. */
  readonly plainMs: number;
  /** Expected milliseconds that extra rows add. */
  readonly extraMs: (extraRows: number) => number;
  /** Milliseconds of one more guess for each sequence that is to have one, where guesses have yet to be made; else 0. */
  readonly guessMs: number;
  readonly candidates: readonly RowCandidate[];
  /** Extra rows that the step has room for. */
  readonly extraRowsMax: number;
  /** Whether the kernels compute as many rows of each sequence as of any, so that all of them cost. */
  readonly equalRows: boolean;
}

/** A gain below this is noise. */
export const gainMin = 1.1;

/** Rows for each candidate, in their order; all 0 where nothing pays. O(rows * log rows). */
export function chooseRows(question: RowQuestion): readonly number[] {
  // Of one candidate beside nobody both say the same, and equal rows are chosen without sorting.
  const isAlone = question.candidates.length === 1 && question.decodeCount === 1;
  return question.equalRows || isAlone ? chooseEqualRows(question) : chooseRowsFreely(question);
}

type Stakes = Pick<RowQuestion, 'decodeCount' | 'plainMs' | 'extraMs' | 'guessMs'>;

interface Choice {
  readonly extraRows: number;
  readonly extraTokens: number;
  /** Guesses of the sequence that has most. */
  readonly longest: number;
}

function gainOf(
  { decodeCount, plainMs, extraMs, guessMs }: Stakes,
  { extraRows, extraTokens, longest }: Choice,
): number {
  return ((1 + extraTokens / decodeCount) * plainMs) / (plainMs + extraMs(extraRows) + longest * guessMs);
}

function chooseEqualRows(question: RowQuestion): readonly number[] {
  const { candidates, decodeCount, extraRowsMax } = question;
  const longest = candidates.reduce((most, { chances }) => Math.max(most, chances.length), 0);
  let best = { gain: gainMin, count: 0 };
  let extraTokens = 0;
  for (let count = 1; count <= longest && count * decodeCount <= extraRowsMax; count++) {
    for (const { chances, trust } of candidates) extraTokens += trust * (chances[count - 1] ?? 0);
    const gain = gainOf(question, { extraRows: count * decodeCount, extraTokens, longest: count });
    if (gain > best.gain) best = { gain, count };
  }
  return candidates.map(({ chances }) => Math.min(best.count, chances.length));
}

function chooseRowsFreely(question: RowQuestion): readonly number[] {
  const { candidates, extraRowsMax } = question;
  const places = candidates.flatMap(({ chances, trust }, index) =>
    chances.map((chance, place) => ({ chance: trust * chance, index, place })),
  );
  // Stable: of equal chances the earlier place in a draft comes first.
  places.sort((a, b) => b.chance - a.chance);
  let best = { gain: gainMin, count: 0 };
  let extraTokens = 0;
  let longest = 0;
  for (const [taken, { chance, place }] of places.slice(0, extraRowsMax).entries()) {
    extraTokens += chance;
    longest = Math.max(longest, place + 1);
    const gain = gainOf(question, { extraRows: taken + 1, extraTokens, longest });
    if (gain > best.gain) best = { gain, count: taken + 1 };
  }
  const counts = candidates.map(() => 0);
  for (const { index } of places.slice(0, best.count)) counts[index] = (counts[index] ?? 0) + 1;
  return counts;
}

/** Whether guesses that always come true would pay: where they would not, nobody need guess. */
export function couldPay(question: Omit<RowQuestion, 'candidates'>, rowsMax: number): boolean {
  const { decodeCount, extraRowsMax } = question;
  for (let count = 1; count <= rowsMax && count * decodeCount <= extraRowsMax; count++) {
    const extraRows = count * decodeCount;
    if (gainOf(question, { extraRows, extraTokens: extraRows, longest: count }) > gainMin) return true;
  }
  return false;
}
