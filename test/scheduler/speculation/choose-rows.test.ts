// How many guesses a step computes: never a choice that is expected to be slower than none, and the best of all where one can look.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { chancesAlong } from '../../../src/scheduler/speculation/acceptance.ts';
import { chooseRows, couldPay, gainMin, type RowQuestion } from '../../../src/scheduler/speculation/choose-rows.ts';

/** One core pair, 135M parameters, one sequence: the second row costs more than a step, the sixteenth next to nothing. */
const cpuExtraMs = (rows: number): number => (rows === 0 ? 0 : 8 + 1.4 * rows);

/** Guesses of which each comes true as often as the one before it. */
const steady = (rate: number, rowsMax: number, trust = 1) => ({ chances: chancesAlong(rowsMax, () => rate), trust });

function question(overrides: Partial<RowQuestion>): RowQuestion {
  return {
    decodeCount: 1,
    plainMs: 8,
    extraMs: cpuExtraMs,
    guessMs: 0,
    candidates: [steady(0.95, 15)],
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
  candidates.forEach(({ chances, trust }, index) => {
    for (const chance of chances.slice(0, counts[index])) extraTokens += trust * chance;
  });
  const rows = equalRows ? decodeCount * Math.max(0, ...counts) : counts.reduce((sum, count) => sum + count, 0);
  return ((1 + extraTokens / decodeCount) * plainMs) / (plainMs + extraMs(rows));
}

const questions: fc.Arbitrary<RowQuestion> = fc
  .record({
    others: fc.nat(3),
    candidates: fc.array(
      fc
        .array(fc.double({ min: 0.05, max: 0.99, noNaN: true }), { minLength: 1, maxLength: 4 })
        .map((rates) => ({ chances: chancesAlong(rates.length, (place) => rates[place] ?? 0), trust: 1 })),
      { minLength: 1, maxLength: 3 },
    ),
    plainMs: fc.double({ min: 1, max: 20, noNaN: true }),
    jumpMs: fc.double({ min: 0, max: 10, noNaN: true }),
    rowMs: fc.double({ min: 0.01, max: 5, noNaN: true }),
    extraRowsMax: fc.integer({ min: 0, max: 20 }),
    trust: fc.double({ min: 0.5, max: 1, noNaN: true }),
    equalRows: fc.boolean(),
  })
  .map(({ others, jumpMs, rowMs, candidates, trust, ...rest }) => ({
    ...rest,
    // Those of a draft model beside those of lookup, which are trusted otherwise.
    candidates: candidates.map(({ chances }, index) => ({ chances, trust: index % 2 === 0 ? trust : 1 })),
    decodeCount: candidates.length + others,
    guessMs: 0,
    extraMs: (rows: number) => (rows === 0 ? 0 : jumpMs + rowMs * rows),
  }));

describe('rows of a step', () => {
  it('looks beyond a second row that does not pay', () => {
    expect(chooseRows(question({ candidates: [steady(0.95, 1)] }))).toEqual([0]);
    expect(chooseRows(question({}))).toEqual([15]);
  });

  it('computes none where guesses are poor, where rows are dear, and where there is no room', () => {
    expect(chooseRows(question({ candidates: [steady(0.3, 15)] }))).toEqual([0]);
    expect(chooseRows(question({ extraMs: (rows) => 8 * rows }))).toEqual([0]);
    expect(chooseRows(question({ extraRowsMax: 0 }))).toEqual([0]);
    expect(couldPay(question({ extraMs: (rows) => 8 * rows }), 15)).toBe(false);
    expect(couldPay(question({}), 15)).toBe(true);
  });

  it('counts what guesses cost that have yet to be made: the longest draft, not all together', () => {
    const asked = { extraMs: (rows: number) => 0.1 * rows, candidates: [steady(0.9, 15)] };
    const [free = 0] = chooseRows(question(asked));
    const [cheap = 0] = chooseRows(question({ ...asked, guessMs: 2 }));
    expect(cheap).toBeGreaterThan(0);
    expect(cheap).toBeLessThan(free);
    expect(chooseRows(question({ ...asked, guessMs: 8 }))).toEqual([0]);
    expect(couldPay(question({ ...asked, guessMs: 8 }), 15)).toBe(false);
    const both = { ...asked, decodeCount: 2, candidates: [steady(0.9, 15), steady(0.9, 15)], guessMs: 2 };
    expect(chooseRows(question(both))).toEqual([cheap, cheap]);
  });

  it('computes fewer, or none, where expectations were disappointed', () => {
    expect(chooseRows(question({ candidates: [steady(0.85, 15)] }))[0]).toBeGreaterThan(0);
    expect(chooseRows(question({ candidates: [steady(0.85, 15, 0.6)] }))).toEqual([0]);
  });

  it('prefers the guesses of whom it trusts', () => {
    const [trusted, disappointing] = chooseRows(
      question({
        decodeCount: 2,
        extraMs: (rows) => 0.9 * rows,
        candidates: [steady(0.6, 15), steady(0.6, 15, 0.5)],
      }),
    );
    expect(trusted).toBeGreaterThan(disappointing ?? 99);
  });

  it('gives the sequence with the better guesses more', () => {
    const [sure, unsure] = chooseRows(
      question({
        decodeCount: 2,
        extraMs: (rows) => 0.4 * rows,
        candidates: [steady(0.95, 15), steady(0.4, 15)],
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
        expect(counts.every((count, index) => count <= (candidates[index]?.chances.length ?? 0))).toBe(true);
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

/** Every choice within the room. */
function choices({ candidates, extraRowsMax, equalRows, decodeCount }: RowQuestion): number[][] {
  let lists: number[][] = [[]];
  for (const { chances } of candidates) {
    lists = lists.flatMap((list) => Array.from({ length: chances.length + 1 }, (_, count) => [...list, count]));
  }
  return lists.filter((list) => {
    const rows = equalRows ? decodeCount * Math.max(...list) : list.reduce((sum, count) => sum + count, 0);
    return rows <= extraRowsMax;
  });
}
