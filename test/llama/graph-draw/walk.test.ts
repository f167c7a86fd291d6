// Draws by trying: what they keep, what a seed means, and that they are distributed as draws from the set that top-p and
// min-p leave.

import { describe, expect, test } from 'vitest';
import { tokenId } from '../../../src/ids.ts';
import type { SampleRow } from '../../../src/kernel-port.ts';
import { isWalked, judge, tryCount, tryOnHost, tryPosition } from '../../../src/llama/graph-draw/walk.ts';
import { adjustLogits } from '../../../src/llama/sampling/adjust.ts';
import { createDrawMemory, createRunSums, drawToken } from '../../../src/llama/sampling/draw.ts';
import { applyMask } from '../../../src/llama/sampling/mask.ts';
import { greedySampling, type SamplingParams } from '../../../src/sampling-params.ts';
import { sampleRow } from '../loaded.ts';

const endTokenIds = [tokenId(0)];
const drawMemory = createDrawMemory(40);
const runSums = createRunSums(40);
const logits = Float32Array.from({ length: 40 }, (_, token) => 4 * Math.sin(token * 1.7) - token / 20);

function wish(sampling: Partial<SamplingParams>, row: Partial<SampleRow> = {}): SampleRow {
  return sampleRow({ batchIndex: 0, ...row, sampling: { ...greedySampling, temperature: 1, ...sampling } });
}

/** The draw as the host makes it, when no graph has made it. */
function draw(row: SampleRow, values = logits): number {
  const tried = tryOnHost(values, row, { endTokenIds, runSums });
  const walk = tried === undefined ? undefined : judge(row, tried, endTokenIds);
  if (walk?.kind === 'drawn') return walk.token;
  const own = values.slice();
  adjustLogits(own, row, { counts: new Int32Array(own.length), endTokenIds });
  if (row.mask !== undefined) applyMask(own, row.mask);
  const position = tryPosition(row, tryCount);
  return drawToken(own, row.sampling, { seed: row.seed, position }, drawMemory);
}

/** Shares of the tokens that are kept at temperature, worked out the plain way. */
function expectedShares({ sampling, ignoreEos, mask }: SampleRow): Map<number, number> {
  const { topP, minP, temperature } = sampling;
  const isAllowed = (token: number) =>
    mask === undefined ? !(ignoreEos && token === 0) : ((mask[token >>> 5] ?? 0) & (1 << (token & 31))) !== 0;
  const allowed = [...logits.keys()].filter(isAllowed);
  const logit = (token: number) => logits[token] ?? 0;
  const sorted = allowed.sort((a, b) => logit(b) - logit(a));
  const total = sorted.reduce((sum, token) => sum + Math.exp(logit(token)), 0);
  let above = 0;
  const kept = sorted.filter((token) => {
    const isKept = above < topP * total && logit(token) >= logit(sorted[0] ?? 0) + Math.log(minP);
    above += Math.exp(logit(token));
    return isKept;
  });
  const keptTotal = kept.reduce((sum, token) => sum + Math.exp(logit(token) / temperature), 0);
  return new Map(kept.map((token) => [token, Math.exp(logit(token) / temperature) / keptTotal]));
}

describe('the draws', () => {
  test.each([
    ['temperature', { temperature: 0.7 }, {}],
    ['top-p', { topP: 0.8, temperature: 1.3 }, {}],
    ['min-p', { minP: 0.2 }, {}],
    ['top-p and min-p without the end', { topP: 0.9, minP: 0.05 }, { ignoreEos: true }],
    ['so small a share that most tries are dropped', { topP: 0.05, temperature: 3 }, {}],
    ['what a mask allows, the end among it', { temperature: 1.2 }, { mask: Int32Array.of(0b1011, 1), ignoreEos: true }],
  ] as const)('are distributed by their shares: %s', (_, sampling, row) => {
    const drawCount = 2000;
    const counts = new Map<number, number>();
    for (let index = 0; index < drawCount; index++) {
      const token = draw(wish(sampling, { seed: 77, tokenCount: index, ...row }));
      counts.set(token, (counts.get(token) ?? 0) + 1);
    }
    const shares = expectedShares(wish(sampling, row));
    expect([...counts.keys()].filter((token) => !shares.has(token))).toEqual([]);
    for (const [token, share] of shares) {
      // Five standard deviations.
      const bound = 5 * Math.sqrt((share * (1 - share)) / drawCount) + 1 / drawCount;
      expect(Math.abs((counts.get(token) ?? 0) / drawCount - share)).toBeLessThan(bound);
    }
  });

  test('are the same for the same seed and position, and others for others', () => {
    const tokens = (seed: number) =>
      Array.from({ length: 50 }, (_, tokenCount) => draw(wish({ topP: 0.9 }, { seed, tokenCount })));
    expect(tokens(1)).toEqual(tokens(1));
    expect(tokens(1)).not.toEqual(tokens(2));
  });
});

test('a row without a possible token has no tries', () => {
  const nothing = new Float32Array(40).fill(Number.NaN);
  expect(tryOnHost(nothing, wish({}), { endTokenIds, runSums })).toBeUndefined();
  expect(draw(wish({}), nothing)).toBe(-1);
});

test('broken numbers are nobody’s draw', () => {
  const tries = [{ token: 3, distance: Number.NaN, weightAbove: Number.NaN }];
  expect(judge(wish({}), { total: Number.NaN, tries, endDistances: [-1] }, endTokenIds)).toEqual({ kind: 'unknown' });
  expect(judge(wish({}), { total: 1, tries, endDistances: [-1] }, endTokenIds)).toEqual({ kind: 'dropped' });
});

test('only requests whose set the numbers tell are drawn so', () => {
  expect(isWalked(wish({ topP: 0.9, minP: 0.1 }, { ignoreEos: true }))).toBe(true);
  const others: readonly (readonly [Partial<SamplingParams>, Partial<SampleRow>])[] = [
    [{ temperature: 0 }, {}],
    [{ topK: 5 }, {}],
    [{ typicalP: 0.9 }, {}],
    [{ presencePenalty: 1 }, {}],
    [{ logitBias: [{ token: tokenId(1), bias: 1 }] }, {}],
  ];
  for (const [sampling, row] of others) expect(isWalked(wish(sampling, row))).toBe(false);
  const lists: typeof others = [
    [{ allowedTokens: [tokenId(1)] }, {}],
    [{ bannedRuns: [[tokenId(1)]] }, {}],
    [{}, { mask: new Int32Array(2) }],
    [{}, { forbiddenTokens: [tokenId(1)] }],
  ];
  for (const [sampling, row] of lists) {
    expect(isWalked(wish(sampling, row))).toBe(true);
    expect(isWalked(wish({ ...sampling, topP: 0.9 }, row))).toBe(false);
    expect(isWalked(wish({ ...sampling, minP: 0.1 }, row))).toBe(false);
  }
});
