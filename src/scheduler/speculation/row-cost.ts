// What steps of decoding sequences cost, learned from those that were computed: without guesses, and what rows beyond one a
// sequence add. For each doubling of sequences that is a line, a jump and then so much a row, which knows of any number of rows what a
// few have shown; and for each doubling of rows how far steps of that size lie from the line, for no curve is straight.
// Why a jump: one sequence alone is computed by other kernels than several rows are, so that its second row may cost more than a
// whole step, and the sixteenth a quarter of one (135M shape, two cores: 8 ms and 1.4 ms a row beside a step of 8).
// Why it begins in hope: what was never tried would never be known. One step of a few rows cannot cost much, and then it counts
// beside a first guess that is rather dear, a jump of a whole step. Why a step may have hardly more than twice the rows that were
// tried: of few rows the line cannot be far off, and of many it could.
// Why what was learned fades, until it is tried again: one slow step must not switch speculation off for good.

import { must } from '../../assert.ts';
import { doublingOf } from '../doublings.ts';
import { createFadingLine } from '../fading-line.ts';

export interface StepCosts {
  /** Milliseconds for each token of a large chunk of a prompt; undefined before any was seen. */
  promptTokenMs(): number | undefined;
}

/** A step's rows: one for each sequence, and those beside them. */
export interface StepRowCounts {
  readonly decodeCount: number;
  readonly extraRows: number;
}

/** Milliseconds that extra rows add. */
interface RowLine {
  readonly jumpMs: number;
  readonly rowMs: number;
}

export interface RowCost {
  /** Milliseconds of a step of one row for each sequence; undefined before any was seen. */
  plainMs(decodeCount: number): number | undefined;
  /** Milliseconds that the extra rows cost; undefined before anything comparable was seen. */
  extraMs(rows: StepRowCounts): number | undefined;
  /** The same for all numbers of extra rows beside so many sequences. */
  extraMsBeside(decodeCount: number): ((extraRows: number) => number) | undefined;
  /**
   * The least that extra rows can cost, as tokens of a large chunk of a prompt do; undefined once steps with some were seen often enough
   * to say what they do cost.
   */
  hopedMs(decodeCount: number): ((extraRows: number) => number) | undefined;
  /** Rows were hoped for in vain to be cheap enough to try: what prompts say of them is believed a little less. */
  noteRefusal(): void;
  /** Extra rows that a step beside so many sequences may have. */
  extraRowsMax(decodeCount: number): number;
  observe(rows: StepRowCounts, stepMs: number): void;
}

/** How far steps lay from the line: how many, and their milliseconds, older ones fading. */
interface Offset {
  count: number;
  ms: number;
}

/** Sums over steps that were seen, older ones fading. */
interface Sums {
  count: number;
  rows: number;
  rowsSquared: number;
  ms: number;
  rowsMs: number;
  /** Most extra rows that any had; this does not fade. */
  rowsMost: number;
  /** By doubling of rows of each sequence. Shape (doublings,). */
  readonly offsets: readonly Offset[];
}

const plainDecay = 0.97;
const stepDecay = 0.97;
const offsetDecay = 0.9;
/** Steps for which the line itself counts. */
const lineWeight = 1;
/** Of what was seen of steps with guesses a step without forgets this share. */
const forgottenShare = 0.0003;
/** A step that took longer than expected by more than this was held up by something else: as shares of a plain step. */
const plainSurpriseMax = 0.3;
const extraSurpriseMax = 1;
/** Steps for which the first guess counts. */
const firstWeight = 0.2;
/** Steps that must have been seen for the line through them; before that, and long after, the jump is hoped to be small. */
const triedMin = 0.5;
const untriedJumpShare = 0.5;
/** Steps that must have been seen to give up hope: a single one may have been held up. */
const hopeMin = 2.5;
/** What remains of what prompts say of rows each time that these were too dear to be tried: one slow prompt may be all that is known. */
const doubtedShare = 0.97;
/** The least that a row is first taken to cost: this share of what the step costs for each sequence. */
const rowShareMin = 0.25;
/** Extra rows of each sequence that count as tried from the start. */
const firstRows = 1;
const doublings = 12;

export function createRowCost(costs: StepCosts): RowCost {
  const plainLine = createFadingLine(plainDecay);
  /** Shape (doublings,). */
  const seen = Array.from({ length: doublings }, createSums);
  let doubt = 1;
  const asPromptMs = (): number => doubt * (costs.promptTokenMs() ?? 0);
  const sumsAt = (decodeCount: number): Sums =>
    must(seen[doublingOf(decodeCount, doublings)], 'sums for each doubling');

  function lineAt(decodeCount: number): RowLine | undefined {
    const plainMs = plainLine.at(decodeCount);
    if (plainMs === undefined) return undefined;
    const rowMs = Math.max(asPromptMs(), (rowShareMin * plainMs) / decodeCount);
    const sums = sumsAt(decodeCount);
    if (sums.count < triedMin) return { jumpMs: untriedJumpShare * plainMs, rowMs };
    return lineThrough(sums, { jumpMs: plainMs, rowMs });
  }

  function extraMsBeside(decodeCount: number): ((extraRows: number) => number) | undefined {
    const line = lineAt(decodeCount);
    if (line === undefined) return undefined;
    const sums = sumsAt(decodeCount);
    return (extraRows) => {
      const { count, ms } = offsetAt(sums, extraRows / decodeCount);
      return onLine(line, extraRows) + ms / (count + lineWeight);
    };
  }

  const extraMs = ({ decodeCount, extraRows }: StepRowCounts) => extraMsBeside(decodeCount)?.(extraRows);

  function observePlain(decodeCount: number, stepMs: number): void {
    const expectedMs = plainLine.at(decodeCount) ?? stepMs;
    plainLine.add(decodeCount, Math.min(stepMs, (1 + plainSurpriseMax) * expectedMs));
    for (const sums of seen) forget(sums);
  }

  return {
    plainMs: plainLine.at,
    extraMs,
    extraMsBeside,
    hopedMs(decodeCount) {
      if (sumsAt(decodeCount).count >= hopeMin) return undefined;
      const rowMs = asPromptMs();
      return (extraRows) => rowMs * extraRows;
    },
    noteRefusal() {
      doubt *= doubtedShare;
    },
    extraRowsMax: (decodeCount) => Math.max(2 * sumsAt(decodeCount).rowsMost, firstRows * decodeCount) + decodeCount,
    observe(rows, stepMs) {
      const { decodeCount, extraRows } = rows;
      if (extraRows === 0) {
        observePlain(decodeCount, stepMs);
        return;
      }
      doubt = 1;
      const plainMs = plainLine.at(decodeCount);
      const expectedMs = extraMs(rows);
      if (plainMs === undefined || expectedMs === undefined) return;
      const mostMs = expectedMs + extraSurpriseMax * plainMs;
      const ms = Math.min(Math.max(stepMs - plainMs, -plainMs), mostMs);
      const sums = sumsAt(decodeCount);
      add(sums, extraRows, ms);
      const line = lineAt(decodeCount);
      if (line !== undefined) addOffset(offsetAt(sums, extraRows / decodeCount), ms - onLine(line, extraRows));
    },
  };
}

function onLine({ jumpMs, rowMs }: RowLine, extraRows: number): number {
  return jumpMs + rowMs * extraRows;
}

function offsetAt({ offsets }: Sums, rowsEach: number): Offset {
  return must(offsets[doublingOf(rowsEach, doublings)], 'an offset for each doubling');
}

function addOffset(offset: Offset, ms: number): void {
  offset.count = offset.count * offsetDecay + 1;
  offset.ms = offset.ms * offsetDecay + ms;
}

function createSums(): Sums {
  const offsets = Array.from({ length: doublings }, () => ({ count: 0, ms: 0 }));
  return { count: 0, rows: 0, rowsSquared: 0, ms: 0, rowsMs: 0, rowsMost: 0, offsets };
}

function add(sums: Sums, rows: number, ms: number): void {
  fade(sums, stepDecay);
  sums.count += 1;
  sums.rows += rows;
  sums.rowsSquared += rows * rows;
  sums.ms += ms;
  sums.rowsMs += rows * ms;
  sums.rowsMost = Math.max(sums.rowsMost, rows);
}

function forget(sums: Sums): void {
  if (sums.count === 0) return;
  fade(sums, 1 - forgottenShare);
  for (const offset of sums.offsets) {
    offset.count *= 1 - forgottenShare;
    offset.ms *= 1 - forgottenShare;
  }
}

function fade(sums: Sums, share: number): void {
  sums.count *= share;
  sums.rows *= share;
  sums.rowsSquared *= share;
  sums.ms *= share;
  sums.rowsMs *= share;
}

/** Least squares, each part of the first guess counting as a part of a step; neither part is negative. */
function lineThrough({ count, rows, rowsSquared, ms, rowsMs }: Sums, first: RowLine): RowLine {
  if (count === 0) return first;
  const jumpCount = count + firstWeight;
  const jumpSum = ms + firstWeight * first.jumpMs;
  // At the rows of a step like those that were seen, so that the unit does not matter.
  const firstSquared = firstWeight * (rowsSquared / count);
  const rowCount = rowsSquared + firstSquared;
  const rowSum = rowsMs + firstSquared * first.rowMs;
  const fitted = (jumpCount * rowSum - rows * jumpSum) / (jumpCount * rowCount - rows * rows);
  const rowMs = Math.max(fitted, 0);
  const jumpMs = (jumpSum - rowMs * rows) / jumpCount;
  return jumpMs >= 0 ? { jumpMs, rowMs } : { jumpMs: 0, rowMs: Math.max(rowSum / rowCount, 0) };
}
