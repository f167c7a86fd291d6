// How many guesses a step computes: never a choice that is expected to be slower than none, and the best of all where one can look.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { chooseRows, couldPay, gainMin, type RowQuestion } from '../../../src/scheduler/speculation/choose-rows.ts';

/** One core pair, 135M parameters, one sequence: the second row costs more than a step, the sixteenth next to nothing. */
const cpuExtraMs = (rows: number): number => (rows === 0 ? 0 : 8 + 1.4 * rows);

function question(overrides: Partial<RowQuestion>): RowQuestion {
  return {
    decodeCount: 1,
    plainMs: 8,
    extraMs: cpuExtraMs,
    candidates: [{ rate: 0.95, rowsMax: 15 }],
    extraRowsMax: 100,
    equalRows: false,
    ...overrides,
  };
}

function gainOf(
  { decodeCount, plainMs, extraMs, candidates, equalRows }: RowQuestion,
  counts: readonly number[],
): number {
  let extraTokens = 0;
  candidates.forEach(({ rate }, index) => {
    for (let place = 1; place <= (counts[index] ?? 0); place++) extraTokens += rate ** place;
  });
  const rows = equalRows ? decodeCount * Math.max(0, ...counts) : counts.reduce((sum, count) => sum + count, 0);
  return ((1 + extraTokens / decodeCount) * plainMs) / (plainMs + extraMs(rows));
}

const questions: fc.Arbitrary<RowQuestion> = fc
  .record({
    others: fc.nat(3),
    candidates: fc.array(
      fc.record({ rate: fc.double({ min: 0.05, max: 0.99, noNaN: true }), rowsMax: fc.integer({ min: 1, max: 4 }) }),
      { minLength: 1, maxLength: 3 },
    ),
    plainMs: fc.double({ min: 1, max: 20, noNaN: true }),
    jumpMs: fc.double({ min: 0, max: 10, noNaN: true }),
    rowMs: fc.double({ min: 0.01, max: 5, noNaN: true }),
    extraRowsMax: fc.integer({ min: 0, max: 20 }),
    equalRows: fc.boolean(),
  })
  .map(({ others, jumpMs, rowMs, ...rest }) => ({
    ...rest,
    decodeCount: rest.candidates.length + others,
    extraMs: (rows: number) => (rows === 0 ? 0 : jumpMs + rowMs * rows),
  }));

describe('rows of a step', () => {
  it('looks beyond a second row that does not pay', () => {
    expect(chooseRows(question({ candidates: [{ rate: 0.95, rowsMax: 1 }] }))).toEqual([0]);
    expect(chooseRows(question({}))).toEqual([15]);
  });

  it('computes none where guesses are poor, where rows are dear, and where there is no room', () => {
    expect(chooseRows(question({ candidates: [{ rate: 0.3, rowsMax: 15 }] }))).toEqual([0]);
    expect(chooseRows(question({ extraMs: (rows) => 8 * rows }))).toEqual([0]);
    expect(chooseRows(question({ extraRowsMax: 0 }))).toEqual([0]);
    expect(couldPay(question({ extraMs: (rows) => 8 * rows }), 15)).toBe(false);
    expect(couldPay(question({}), 15)).toBe(true);
  });

  it('gives the sequence with the better guesses more', () => {
    const [sure, unsure] = chooseRows(
      question({
        decodeCount: 2,
        extraMs: (rows) => 0.4 * rows,
        candidates: [
          { rate: 0.95, rowsMax: 15 },
          { rate: 0.4, rowsMax: 15 },
        ],
      }),
    );
    expect(sure).toBeGreaterThan(unsure ?? 99);
    expect(unsure).toBeGreaterThan(0);
  });

  it('is the best choice there is, within room and limits, and pays', () => {
    fc.assert(
      fc.property(questions, (asked) => {
        const counts = chooseRows(asked);
        const { candidates, equalRows, decodeCount, extraRowsMax } = asked;
        const rows = equalRows ? decodeCount * Math.max(0, ...counts) : counts.reduce((sum, count) => sum + count, 0);
        expect(rows).toBeLessThanOrEqual(extraRowsMax);
        expect(counts.every((count, index) => count <= (candidates[index]?.rowsMax ?? 0))).toBe(true);
        const gain = gainOf(asked, counts);
        if (rows > 0) expect(gain).toBeGreaterThan(gainMin);
        for (const other of choices(asked)) {
          const better = gainOf(asked, other);
          if (better > gainMin) expect(gain).toBeGreaterThanOrEqual(better - 1e-9);
        }
        if (rows > 0) expect(couldPay(asked, 4) || gain > gainMin).toBe(true);
      }),
      { numRuns: 300 },
    );
  });
});

/** Every choice within the room. A place less probable than 0.02 is not worth looking at. */
function choices({ candidates, extraRowsMax, equalRows, decodeCount }: RowQuestion): number[][] {
  let lists: number[][] = [[]];
  for (const { rowsMax, rate } of candidates) {
    const limit = Math.min(rowsMax, Math.floor(Math.log(0.02) / Math.log(rate)));
    lists = lists.flatMap((list) => Array.from({ length: limit + 1 }, (_, count) => [...list, count]));
  }
  return lists.filter((list) => {
    const rows = equalRows ? decodeCount * Math.max(...list) : list.reduce((sum, count) => sum + count, 0);
    return rows <= extraRowsMax;
  });
}
