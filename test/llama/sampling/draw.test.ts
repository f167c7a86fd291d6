// The fast draw against a plain one that sorts everything, on random logits with ties, NaN and infinities among them.
// Where the two may part: at the very edge of a share, where sums in another order differ in their last digits.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createDrawMemory, type DrawParams, drawToken } from '../../../src/llama/sampling/draw.ts';
import { kept } from './kept.ts';
import { drawByReference, keptByReference, ranked, shares } from './reference.ts';

const all: DrawParams = { temperature: 1, topK: 0, topP: 1, minP: 0, typicalP: 1 };
const edge = 1e-6;

const logit = fc.oneof(
  // Not finer than a kernel's rounding: differences of a denormal are decided by the last digit of a sum.
  { weight: 8, arbitrary: fc.integer({ min: -30_000, max: 30_000 }).map((value) => value / 1000) },
  // Ties.
  { weight: 3, arbitrary: fc.integer({ min: -3, max: 3 }) },
  { weight: 1, arbitrary: fc.constantFrom(Number.NaN, Number.NEGATIVE_INFINITY, -1e30) },
);
const logits = fc.array(logit, { minLength: 1, maxLength: 1500 }).map((values) => Float32Array.from(values));
const share = fc.double({ min: 0.01, max: 0.999, noNaN: true });
const params: fc.Arbitrary<DrawParams> = fc.record({
  temperature: fc.double({ min: 0.05, max: 3, noNaN: true }),
  topK: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 60 })),
  topP: fc.oneof(fc.constant(1), share),
  minP: fc.oneof(fc.constant(0), share),
  typicalP: fc.oneof(fc.constant(1), fc.constant(1), share),
});

/** Shares of tokens before any truncation, to weigh what two selections do not have in common. */
function shareOf(row: Float32Array): Map<number, number> {
  const entries = ranked(row);
  return new Map(shares(entries).map((mass, index) => [entries[index]?.token ?? -1, mass]));
}

const bounded = { interruptAfterTimeLimit: 4_000, numRuns: 20_000 };

describe('what is kept', () => {
  test('is what sorting would keep', () => {
    fc.assert(
      fc.property(logits, params, (row, which) => {
        fc.pre(ranked(row).length > 0 && (which.topK > 0 || which.topP < 1 || which.minP > 0 || which.typicalP < 1));
        const expected = keptByReference(row, which).map(({ token }) => token);
        const found = kept(row, which);
        expect(found).toEqual([...found].sort((a, b) => a - b));
        const masses = shareOf(row);
        const different = [
          ...expected.filter((t) => !found.includes(t)),
          ...found.filter((t) => !expected.includes(t)),
        ];
        // Weights beyond the table count as nothing: such tokens may only differ where they could never be drawn.
        const mass = different.reduce((sum, token) => sum + (masses.get(token) ?? 0), 0);
        if (different.length > 0) expect(isOnTheEdge(row, which) || mass < edge).toBe(true);
      }),
      bounded,
    );
  });

  test('of thousands of nearly equal logits it is what sorting would keep', () => {
    const nearlyEqual = fc
      .tuple(
        fc.integer({ min: 300, max: 4000 }),
        fc.integer({ min: 1, max: 2 ** 31 }),
        fc.constantFrom(1e-4, 1e-2, 0.3),
      )
      .map(([length, step, spread]) =>
        Float32Array.from({ length }, (_, token) => 5 + (spread * (Math.imul(token + 1, step) >>> 0)) / 2 ** 32),
      );
    fc.assert(
      fc.property(nearlyEqual, share, (row, topP) => {
        const found = kept(row, { ...all, topP });
        const expected = new Set(keptByReference(row, { ...all, topP }).map(({ token }) => token));
        expect(Math.abs(found.length - expected.size)).toBeLessThanOrEqual(1);
        expect(found.filter((token) => !expected.has(token)).length).toBeLessThanOrEqual(1);
      }),
      { interruptAfterTimeLimit: 1_000, numRuns: 300 },
    );
  });

  /** Whether a slightly different share would keep something else. */
  function isOnTheEdge(row: Float32Array, which: DrawParams): boolean {
    const nudged = (by: number) =>
      keptByReference(row, {
        ...which,
        topP: which.topP * (1 + by),
        typicalP: which.typicalP * (1 + by),
        minP: which.minP * (1 + by),
      })
        .map(({ token }) => token)
        .join();
    return nudged(edge) !== nudged(-edge);
  }

  test('top-k alone keeps exactly k, lower ids first among equals', () => {
    fc.assert(
      fc.property(logits, fc.integer({ min: 1, max: 50 }), (row, topK) => {
        fc.pre(topK < row.length);
        const expected = ranked(row)
          .slice(0, topK)
          .map(({ token }) => token);
        expect(kept(row, { ...all, topK })).toEqual(expected.sort((a, b) => a - b));
      }),
      { interruptAfterTimeLimit: 2_000, numRuns: 5_000 },
    );
  });

  test('min-p ends sooner than top-p where it is the stricter, and later where it is not', () => {
    const row = Float32Array.from({ length: 5_000 }, (_, token) => -token / 1000);
    expect(kept(row, { ...all, topP: 0.9, minP: 0.5 }).length).toBe(694);
    expect(kept(row, { ...all, topP: 0.2, minP: 0.1 }).length).toBe(kept(row, { ...all, topP: 0.2 }).length);
  });

  test('logits whose distance from the largest is rounded up into the next bucket are kept', () => {
    const row = new Float32Array(1000).fill(1e-30);
    row[3] = 1;
    expect(kept(row, { ...all, topP: 0.5 }).length).toBeCloseTo(500, -1);
  });

  test('a flat distribution over a large vocabulary is cut at its share', () => {
    const row = new Float32Array(100_000).fill(2);
    expect(kept(row, { ...all, topP: 0.25 }).length).toBeCloseTo(25_000, -1);
  });
});

describe('the token drawn', () => {
  test('is the reference one', () => {
    let differing = 0;
    let drawn = 0;
    fc.assert(
      fc.property(logits, params, fc.maxSafeNat(), (row, which, seed) => {
        fc.pre(ranked(row).length > 0);
        const at = { seed, position: row.length };
        drawn += 1;
        if (drawToken(row, which, at, createDrawMemory(row.length)) !== drawByReference(row, which, at)) differing += 1;
      }),
      bounded,
    );
    // Only draws that fall on the edge between two tokens, or an edge of a share, may differ.
    expect(differing / drawn).toBeLessThan(1e-3);
  });

  test.each([
    ['the whole vocabulary', all],
    ['top-p', { ...all, topP: 0.9 }],
    ['top-k and a low temperature', { ...all, topK: 5, temperature: 0.6 }],
    ['a high temperature', { ...all, temperature: 2.5 }],
    ['min-p', { ...all, minP: 0.1 }],
    ['typical', { ...all, typicalP: 0.8 }],
  ])('comes as often as its probability says: %s', (_, which) => {
    const row = Float32Array.from({ length: 40 }, (_entry, token) => Math.sin(token * 7.3) * 3);
    const memory = createDrawMemory(row.length);
    const drawCount = 40_000;
    const counts = new Map<number, number>();
    for (let position = 0; position < drawCount; position++) {
      const token = drawToken(row, which, { seed: 12345, position }, memory);
      counts.set(token, (counts.get(token) ?? 0) + 1);
    }
    const entries = keptByReference(row, which);
    const expected = shares(entries, which.temperature).map((mass) => mass * drawCount);
    const chiSquare = entries.reduce((sum, { token }, index) => {
      const wanted = expected[index] ?? 0;
      return sum + ((counts.get(token) ?? 0) - wanted) ** 2 / wanted;
    }, 0);
    expect([...counts.keys()].every((token) => entries.some((entry) => entry.token === token))).toBe(true);
    // Mean is the degrees of freedom, deviation their root times 1.4: 5 deviations above is less than one in a million.
    const freedom = entries.length - 1;
    expect(chiSquare).toBeLessThan(freedom + 5 * Math.sqrt(2 * freedom) + 5);
  });

  test('greedy is the lowest id among the largest, whatever else is set', () => {
    const row = Float32Array.of(1, Number.NaN, 5, 5, -2);
    expect(
      drawToken(row, { ...all, temperature: 0, topK: 3, topP: 0.1 }, { seed: 1, position: 1 }, createDrawMemory(5)),
    ).toBe(2);
  });

  test.each([
    ['greedy', { ...all, temperature: 0 }],
    ['everything', all],
    ['top-k', { ...all, topK: 2 }],
    ['top-p', { ...all, topP: 0.5 }],
    ['typical', { ...all, typicalP: 0.5 }],
    ['min-p', { ...all, minP: 0.5 }],
  ])('is none when no logit is possible: %s', (_, which) => {
    const row = Float32Array.of(Number.NaN, Number.NEGATIVE_INFINITY, Number.NaN);
    expect(drawToken(row, which, { seed: 1, position: 1 }, createDrawMemory(3))).toBe(-1);
  });

  test.each([
    ['everything', all],
    ['top-k', { ...all, topK: 2 }],
    ['top-p', { ...all, topP: 0.5 }],
    ['typical', { ...all, typicalP: 0.5 }],
    ['min-p', { ...all, minP: 0.5 }],
  ])('is the infinite one if there is one: %s', (_, which) => {
    const row = Float32Array.of(3, Number.POSITIVE_INFINITY, 7);
    expect(drawToken(row, which, { seed: 1, position: 1 }, createDrawMemory(3))).toBe(1);
  });

  test.each([1e-9, 1e-3])('a temperature of %d draws the most likely', (temperature) => {
    const row = Float32Array.from({ length: 700 }, (_, token) => (token === 612 ? 9 : token / 100));
    for (let position = 0; position < 50; position++)
      expect(drawToken(row, { ...all, temperature }, { seed: 3, position }, createDrawMemory(700))).toBe(612);
  });
});
