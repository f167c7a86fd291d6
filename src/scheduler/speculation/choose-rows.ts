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
  /**
   * Where all have equally many rows: how many guesses of each the last step had, if it was one of as many sequences; undefined
   * where this step has another shape in any case.
   */
  readonly keptRows?: number | undefined;
  /** Milliseconds that a step takes longer if the one before it had another shape. */
  readonly changeMs?: number | undefined;
}

/** How many guesses are computed. */
export interface RowChoice {
  /** Of each candidate, in their order; all 0 where nothing pays. */
  readonly counts: readonly number[];
  /** Where all have equally many rows, those that each sequence gets for it, whether it has guesses for them or not; else 0. */
  readonly rowsEach: number;
}

/** A gain below this is noise. */
export const gainMin = 1.1;

/** O(rows * log rows). */
export function chooseRows(question: RowQuestion): RowChoice {
  if (question.equalRows) return chooseEqualRows(question);
  // Of one candidate beside nobody both say the same, and equal rows are chosen without sorting.
  const isAlone = question.candidates.length === 1 && question.decodeCount === 1;
  const { counts } = isAlone
    ? chooseEqualRows({ ...question, keptRows: undefined })
    : { counts: chooseRowsFreely(question) };
  return { counts, rowsEach: 0 };
}

type Stakes = Pick<RowQuestion, 'decodeCount' | 'plainMs' | 'extraMs' | 'guessMs'>;

interface Choice {
  readonly extraRows: number;
  readonly extraTokens: number;
  /** Guesses of the sequence that has most. */
  readonly longest: number;
}

function gainOf(stakes: Stakes, choice: Choice): number {
  return ((1 + choice.extraTokens / stakes.decodeCount) * stakes.plainMs) / stepMsOf(stakes, choice);
}

function stepMsOf({ plainMs, extraMs, guessMs }: Stakes, { extraRows, longest }: Omit<Choice, 'extraTokens'>): number {
  return plainMs + extraMs(extraRows) + longest * guessMs;
}

/** More rows than there are guesses are looked at where the last step had them: beside a change of shape they may be cheap. */
function chooseEqualRows(question: RowQuestion): RowChoice {
  const { candidates, decodeCount, extraRowsMax, plainMs, keptRows } = question;
  const changeMs = keptRows === undefined ? 0 : (question.changeMs ?? 0);
  const longest = candidates.reduce((most, { chances }) => Math.max(most, chances.length), 0);
  const most = changeMs > 0 ? Math.max(longest, keptRows ?? 0) : longest;
  const plainStepMs = keptRows === 0 ? plainMs : plainMs + changeMs;
  let best = { gain: gainMin, count: 0 };
  let extraTokens = 0;
  for (let count = 1; count <= most && count * decodeCount <= extraRowsMax; count++) {
    for (const { chances, trust } of candidates) extraTokens += trust * (chances[count - 1] ?? 0);
    const change = count === keptRows ? 0 : changeMs;
    const stepMs = stepMsOf(question, { extraRows: count * decodeCount, longest: Math.min(count, longest) }) + change;
    const gain = ((1 + extraTokens / decodeCount) * plainStepMs) / stepMs;
    if (gain > best.gain) best = { gain, count };
  }
  const counts = candidates.map(({ chances }) => Math.min(best.count, chances.length));
  return { counts, rowsEach: best.count };
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
