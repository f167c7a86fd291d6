// How many guesses a step computes for each sequence: as many as raise the tokens it is expected to bring per millisecond.
// Why the whole curve is looked at and not the next row alone: kernels work in tiles, so that a second row may cost as much
// as three more after it.

export interface RowCandidate {
  /** For each guess there is, the chance that it and all before it come true; never rising. */
  readonly chances: readonly number[];
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
  /** What chances are to be multiplied by, at most 1. */
  readonly trust: number;
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

type Stakes = Pick<RowQuestion, 'decodeCount' | 'plainMs' | 'extraMs'>;

function gainOf({ decodeCount, plainMs, extraMs }: Stakes, extraRows: number, extraTokens: number): number {
  return ((1 + extraTokens / decodeCount) * plainMs) / (plainMs + extraMs(extraRows));
}

function chooseEqualRows(question: RowQuestion): readonly number[] {
  const { candidates, decodeCount, extraRowsMax, trust } = question;
  const longest = candidates.reduce((most, { chances }) => Math.max(most, chances.length), 0);
  let best = { gain: gainMin, count: 0 };
  let extraTokens = 0;
  for (let count = 1; count <= longest && count * decodeCount <= extraRowsMax; count++) {
    for (const { chances } of candidates) extraTokens += trust * (chances[count - 1] ?? 0);
    const gain = gainOf(question, count * decodeCount, extraTokens);
    if (gain > best.gain) best = { gain, count };
  }
  return candidates.map(({ chances }) => Math.min(best.count, chances.length));
}

function chooseRowsFreely(question: RowQuestion): readonly number[] {
  const { candidates, extraRowsMax, trust } = question;
  const places = candidates.flatMap(({ chances }, index) => chances.map((chance) => ({ chance, index })));
  // Stable: of equal chances the earlier place in a draft comes first.
  places.sort((a, b) => b.chance - a.chance);
  let best = { gain: gainMin, count: 0 };
  let extraTokens = 0;
  for (const [taken, { chance }] of places.slice(0, extraRowsMax).entries()) {
    extraTokens += trust * chance;
    const gain = gainOf(question, taken + 1, extraTokens);
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
    if (gainOf(question, count * decodeCount, count * decodeCount) > gainMin) return true;
  }
  return false;
}
