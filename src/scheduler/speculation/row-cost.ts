// What rows beyond one a sequence cost a step, learned from steps that had some: a fading mean of milliseconds a row, one for
// each doubling of sequences and of rows. Why both: one sequence alone is computed by other kernels than several rows are, so
// that its second row may cost more than a whole step, and the sixteenth a quarter of one.
// Why a cost is believed less with time: one slow step must not switch speculation off for good. Each step without extra rows
// draws a cost a little back towards what a long prompt costs a token, which was measured anyway.

export interface StepCosts {
  /** Milliseconds of a step of `decodeCount` rows, one for each sequence; undefined before any was seen. */
  plainMs(decodeCount: number): number | undefined;
  /** Milliseconds for each token of a large chunk of a prompt; undefined before any was seen. */
  promptTokenMs(): number | undefined;
}

/** A step's rows: one for each sequence, and those beside them. */
export interface StepRowCounts {
  readonly decodeCount: number;
  readonly extraRows: number;
}

export interface RowCost {
  /** Milliseconds that the extra rows cost; undefined before anything comparable was seen. */
  extraMs(rows: StepRowCounts): number | undefined;
  /** A step took `extraMs` longer than without its extra rows. */
  observe(rows: StepRowCounts, extraMs: number): void;
  /** A step without extra rows went by. */
  forget(): void;
}

const newestWeight = 0.3;
/** A step that took far longer than expected was held up by something else. */
const surpriseMax = 3;
const forgottenShare = 0.002;
const rowMsMin = 1e-4;
const doublings = 12;

export function createRowCost(costs: StepCosts): RowCost {
  /** Shape (doublings of sequences, doublings of rows). */
  const rowMs = new Float64Array(doublings * doublings).fill(Number.NaN);

  /** Known for as many sequences, at the nearest number of rows, fewer first. */
  function nearestMs(index: number): number | undefined {
    const start = index - (index % doublings);
    for (let distance = 0; distance < doublings; distance++) {
      for (const near of [index - distance, index + distance]) {
        const known = near >= start && near < start + doublings ? rowMs[near] : undefined;
        if (known !== undefined && !Number.isNaN(known)) return known;
      }
    }
    return undefined;
  }

  /** The least that it may be: what is not known is tried, and then known. */
  function guessedMs(index: number): number | undefined {
    const near = nearestMs(index);
    const prompt = costs.promptTokenMs();
    return near === undefined || prompt === undefined ? (near ?? prompt) : Math.min(near, prompt);
  }

  return {
    extraMs(rows) {
      const index = indexOf(rows);
      const known = rowMs[index] ?? Number.NaN;
      const perRowMs = Number.isNaN(known) ? guessedMs(index) : known;
      return perRowMs === undefined ? undefined : perRowMs * rows.extraRows;
    },
    observe(rows, extraMs) {
      const index = indexOf(rows);
      const newest = Math.max(extraMs / rows.extraRows, rowMsMin);
      const known = rowMs[index] ?? Number.NaN;
      rowMs[index] = Number.isNaN(known)
        ? newest
        : known + newestWeight * (Math.min(newest, surpriseMax * known) - known);
    },
    forget() {
      const promptMs = costs.promptTokenMs();
      if (promptMs === undefined) return;
      for (const [index, known] of rowMs.entries()) {
        if (!Number.isNaN(known)) rowMs[index] = known - forgottenShare * Math.max(known - promptMs, 0);
      }
    },
  };
}

function indexOf({ decodeCount, extraRows }: StepRowCounts): number {
  return doublings * doublingOf(decodeCount) + doublingOf(decodeCount + extraRows);
}

function doublingOf(count: number): number {
  return Math.min(Math.floor(Math.log2(Math.max(count, 1))), doublings - 1);
}
