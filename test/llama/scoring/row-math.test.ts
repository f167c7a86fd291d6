import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compareRows, field, surveyRow } from '../../../src/llama/scoring/row-math.ts';

const logits = fc
  .array(fc.float({ min: -60, max: 60, noNaN: true }), { minLength: 1, maxLength: 200 })
  .map((values) => Float32Array.from(values));

const pair = fc
  .array(fc.tuple(fc.float({ min: -60, max: 60, noNaN: true }), fc.float({ min: -60, max: 60, noNaN: true })), {
    minLength: 1,
    maxLength: 200,
  })
  .map((values) => ({
    logits: Float32Array.from(values, ([a]) => a),
    reference: Float32Array.from(values, ([, b]) => b),
  }));

function logSum(row: Float32Array): number {
  const largest = row.reduce((most, logit) => Math.max(most, logit));
  return largest + Math.log(row.reduce((sum, logit) => sum + Math.exp(logit - largest), 0));
}

function exactDivergence(row: Float32Array, reference: Float32Array): number {
  const own = logSum(row);
  const base = logSum(reference);
  return reference.reduce((sum, logit, token) => {
    const logProbability = logit - base;
    return sum + Math.exp(logProbability) * (logProbability - ((row[token] ?? 0) - own));
  }, 0);
}

const survey = (row: Float32Array) => {
  const out = new Float64Array(field.length);
  surveyRow(row, out, 0);
  return out;
};

const compare = (rows: { logits: Float32Array; reference: Float32Array }) => {
  const out = new Float64Array(field.length);
  compareRows(rows, out, 0);
  return out;
};

describe('one row', () => {
  test('the normalizer is exact to 1e-7, the first choice is the largest logit', () => {
    fc.assert(
      fc.property(logits, (row) => {
        const found = survey(row);
        expect(Math.abs((found[field.logSum] ?? 0) - logSum(row))).toBeLessThan(1e-7);
        expect(found[field.topToken]).toBe(row.indexOf(row.reduce((most, logit) => Math.max(most, logit))));
      }),
    );
  });

  test('forbidden tokens weigh nothing', () => {
    const row = Float32Array.of(1, Number.NEGATIVE_INFINITY, 1);
    expect(survey(row)[field.logSum]).toBeCloseTo(1 + Math.log(2), 7);
  });

  test('a broken logit shows', () => {
    expect(survey(Float32Array.of(1, Number.NaN, 2))[field.logSum]).toBeNaN();
    expect(survey(Float32Array.of(1, Number.POSITIVE_INFINITY))[field.logSum]).toBeNaN();
  });
});

describe('two rows', () => {
  test('the divergence is that of the definition', () => {
    fc.assert(
      fc.property(pair, (rows) => {
        const exact = exactDivergence(rows.logits, rows.reference);
        expect(Math.abs((compare(rows)[field.divergence] ?? 0) - exact)).toBeLessThan(1e-5 * Math.max(1, exact));
      }),
    );
  });

  test('it is never negative, and exactly zero for the same row', () => {
    fc.assert(
      fc.property(pair, (rows) => {
        expect(compare(rows)[field.divergence]).toBeGreaterThanOrEqual(0);
        expect(compare({ logits: rows.logits, reference: rows.logits })[field.divergence]).toBe(0);
      }),
    );
  });

  test('adding a constant to a row changes nothing', () => {
    fc.assert(
      fc.property(pair, fc.integer({ min: -8, max: 8 }), (rows, shift) => {
        const moved = { ...rows, logits: rows.logits.map((logit) => Math.fround(logit + shift)) };
        expect(compare(moved)[field.divergence]).toBeCloseTo(compare(rows)[field.divergence] ?? 0, 3);
      }),
    );
  });

  test('each half equals the row alone', () => {
    fc.assert(
      fc.property(pair, (rows) => {
        const both = compare(rows);
        expect(both[field.logSum]).toBe(survey(rows.logits)[field.logSum]);
        expect(both[field.referenceLogSum]).toBe(survey(rows.reference)[field.logSum]);
        expect(both[field.topToken]).toBe(survey(rows.logits)[field.topToken]);
        expect(both[field.referenceTopToken]).toBe(survey(rows.reference)[field.topToken]);
      }),
    );
  });

  test('a token that the reference likes and the row forbids makes it infinite', () => {
    const rows = { logits: Float32Array.of(0, Number.NEGATIVE_INFINITY), reference: Float32Array.of(0, 0) };
    expect(compare(rows)[field.divergence]).toBe(Number.POSITIVE_INFINITY);
  });
});
