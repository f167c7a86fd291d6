import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { tokenId } from '../../../src/ids.ts';
import type { SampleRow } from '../../../src/kernel-port.ts';
import { adjustLogits, needsAdjusting, reweighs, surelyAllows } from '../../../src/llama/sampling/adjust.ts';
import { mostLikely } from '../../../src/llama/sampling/greedy.ts';
import { applyMask } from '../../../src/llama/sampling/mask.ts';
import { greedySampling } from '../../../src/sampling-params.ts';
import { sampleRow } from '../loaded.ts';

const vocabularySize = 8;

function adjusted(row: Partial<SampleRow>, logits = [0, 1, 2, 3, -4, 5, 6, 7]): number[] {
  const values = Float32Array.from(logits);
  const counts = new Int32Array(vocabularySize);
  adjustLogits(values, sampleRow({ batchIndex: 0, ...row }), { counts, endTokenIds: [tokenId(7)] });
  expect([...counts]).toEqual(new Array(vocabularySize).fill(0));
  return [...values];
}

/** 1, 1, 3 are prompt; 3, 4, 3 are generated. */
const history = { tokens: Int32Array.of(1, 1, 3, 3, 4, 3, 6, 6), tokenCount: 6, generatedCount: 3 };

describe('adjustLogits', () => {
  test('adds bias, and ignores tokens outside the vocabulary', () => {
    const logitBias = [
      { token: tokenId(2), bias: 1.5 },
      { token: tokenId(99), bias: 5 },
    ];
    expect(adjusted({ sampling: { ...greedySampling, logitBias } })).toEqual([0, 1, 3.5, 3, -4, 5, 6, 7]);
  });

  test('presence counts once, frequency as often as generated; the prompt does not count', () => {
    const sampling = { ...greedySampling, presencePenalty: 1, frequencyPenalty: 0.25 };
    expect(adjusted({ ...history, sampling })).toEqual([0, 1, 2, 3 - 1 - 0.5, -4 - 1 - 0.25, 5, 6, 7]);
  });

  test('repetition divides positive and multiplies negative logits of prompt and output, once each', () => {
    expect(adjusted({ ...history, sampling: { ...greedySampling, repetitionPenalty: 2 } })).toEqual([
      0, 0.5, 2, 1.5, -8, 5, 6, 7,
    ]);
  });

  test('forbids end-of-generation tokens', () => {
    expect(adjusted({ ignoreEos: true })[7]).toBe(Number.NEGATIVE_INFINITY);
  });

  test('under a mask forbids tokens as long as it allows others', () => {
    const forbiddenTokens = [tokenId(2), tokenId(5)];
    const allowing = (...tokens: number[]) => Int32Array.of(tokens.reduce((bits, token) => bits | (1 << token), 0));
    const several = adjusted({ forbiddenTokens, mask: allowing(2, 3, 5) });
    expect([several[2], several[5]]).toEqual([Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY]);
    const alone = adjusted({ forbiddenTokens, mask: allowing(2, 5) });
    expect([alone[2], alone[5]]).toEqual([2, 5]);
  });

  test('bias comes before the penalties', () => {
    const sampling = { ...greedySampling, repetitionPenalty: 2, logitBias: [{ token: tokenId(4), bias: 5 }] };
    expect(adjusted({ ...history, sampling })[4]).toBe(0.5);
  });

  test('changes nothing when nothing is asked, and needsAdjusting says so', () => {
    expect(needsAdjusting(sampleRow({ batchIndex: 0, ...history }))).toBe(false);
    expect(adjusted(history)).toEqual([0, 1, 2, 3, -4, 5, 6, 7]);
    expect(needsAdjusting(sampleRow({ batchIndex: 0, ignoreEos: true }))).toBe(true);
  });

  test('equals counting by hand', () => {
    const token = fc.integer({ min: 0, max: vocabularySize - 1 });
    fc.assert(
      fc.property(
        fc.array(token, { maxLength: 40 }),
        fc.nat(40),
        fc.double({ min: -2, max: 2, noNaN: true }),
        (list, split, penalty) => {
          const generatedCount = Math.min(split, list.length);
          const row = { tokens: Int32Array.from(list), tokenCount: list.length, generatedCount };
          const found = adjusted({ ...row, sampling: { ...greedySampling, frequencyPenalty: penalty } });
          const generated = list.slice(list.length - generatedCount);
          const expected = [0, 1, 2, 3, -4, 5, 6, 7].map((logit, id) => {
            const count = generated.filter((other) => other === id).length;
            return count === 0 ? logit : Math.fround(logit - penalty * count);
          });
          expect(found).toEqual(expected);
        },
      ),
      { interruptAfterTimeLimit: 1_000 },
    );
  });

  const never = Number.NEGATIVE_INFINITY;

  test('forbids what is not allowed, and more tokens where a row says so', () => {
    const sampling = { ...greedySampling, allowedTokens: [tokenId(2), tokenId(5)] };
    expect(adjusted({ sampling })).toEqual([never, never, 2, never, never, 5, never, never]);
    expect(adjusted({ forbiddenTokens: [tokenId(5)] })).toEqual([0, 1, 2, 3, -4, never, 6, 7]);
    expect(needsAdjusting(sampleRow({ batchIndex: 0, forbiddenTokens: [tokenId(5)] }))).toBe(true);
  });

  test('forbids the last token of a banned run only behind the others, in the output alone', () => {
    const banned = (...run: number[]) =>
      adjusted({ ...history, sampling: { ...greedySampling, bannedRuns: [run.map(tokenId)] } });
    expect(banned(4, 3, 2)).toEqual([0, 1, never, 3, -4, 5, 6, 7]);
    expect(banned(3, 4, 2)).toEqual([0, 1, 2, 3, -4, 5, 6, 7]);
    // 3, 3 ends the prompt and begins the output.
    expect(banned(3, 3, 4, 3, 2)).toEqual([0, 1, 2, 3, -4, 5, 6, 7]);
    expect(banned(6)).toEqual([0, 1, 2, 3, -4, 5, never, 7]);
  });
});

describe('surelyAllows', () => {
  const token = fc.nat(vocabularySize - 1).map(tokenId);
  const tokens = fc.uniqueArray(token, { maxLength: 4 });
  const restricted = fc.record({
    likeliest: token,
    ignoreEos: fc.boolean(),
    forbiddenTokens: fc.option(tokens, { nil: undefined }),
    allowedTokens: fc.option(fc.uniqueArray(token, { minLength: 1 }), { nil: undefined }),
    bannedRuns: fc.array(fc.array(token, { minLength: 1, maxLength: 3 }), { maxLength: 3 }),
    mask: fc.option(
      fc.integer({ min: 1, max: 255 }).map((bits) => Int32Array.of(bits)),
      { nil: undefined },
    ),
  });

  test('says of the likeliest token that it stays that only where it does', () => {
    let allowedCount = 0;
    fc.assert(
      fc.property(restricted, ({ likeliest, allowedTokens, bannedRuns, ...row }) => {
        const sampling = { ...greedySampling, allowedTokens, bannedRuns };
        const wish = sampleRow({ batchIndex: 0, ...history, ...row, sampling });
        expect(reweighs(wish)).toBe(false);
        if (!surelyAllows(wish, likeliest, [tokenId(7)])) return;
        allowedCount += 1;
        const logits = Array.from({ length: vocabularySize }, (_, index) => (index === likeliest ? 9 : index / 10));
        const values = Float32Array.from(adjusted({ ...history, ...row, sampling }, logits));
        if (row.mask !== undefined) applyMask(values, row.mask);
        expect(mostLikely(values)).toBe(likeliest);
      }),
      { numRuns: 400 },
    );
    expect(allowedCount).toBeGreaterThan(20);
  });

  test('does not send a row to the host that forbids other tokens alone', () => {
    const bannedRuns = [
      [tokenId(4), tokenId(5)],
      [tokenId(3), tokenId(6)],
    ];
    const sampling = { ...greedySampling, bannedRuns };
    const wish = sampleRow({ batchIndex: 0, ...history, sampling, ignoreEos: true, forbiddenTokens: [tokenId(1)] });
    expect([1, 2, 5, 6, 7].map((one) => surelyAllows(wish, one, [tokenId(7)]))).toEqual([
      false,
      true,
      true,
      false,
      false,
    ]);
  });
});
