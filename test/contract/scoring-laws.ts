// What a kernel promises about log-probabilities: they depend on the prefix alone, and drawing does not change them.

import { expect, test } from 'vitest';
import { must } from '../../src/assert.ts';
import { tokenId } from '../../src/ids.ts';
import type { ScoreRow } from '../../src/kernel-port.ts';
import { decode, type KernelLaws, rowAt } from './kernel-driver.ts';

const scoreRow = (batchIndex: number, token: number, topCount = 2): ScoreRow => ({
  batchIndex,
  token: tokenId(token),
  topCount,
});

export const scoringLaws: KernelLaws = (subject, kernelNow) => {
  const [prompt] = subject.prompts;
  const last = prompt.length - 1;
  const next = must(prompt[3], 'a prompt has more than three tokens');

  test('scores any token of a row, with as many of the best as asked for', async () => {
    const kernel = kernelNow();
    await decode(kernel, [{ seq: 0, from: 0, tokens: prompt }]);
    const [none, some] = await kernel.score([scoreRow(last, next, 0), scoreRow(last, next, 3)]);
    expect(none?.topTokens).toHaveLength(0);
    expect(some?.topTokens).toHaveLength(3);
    expect(some?.topLogprobs).toHaveLength(3);
    expect(some?.logprob).toBe(none?.logprob);
    expect(some?.logprob).toBeLessThanOrEqual(0);
    expect(some?.rank).toBeGreaterThanOrEqual(1);
  });

  test('scores a kept row as it was before the draw', async () => {
    const kernel = kernelNow();
    await decode(kernel, [{ seq: 0, from: 0, tokens: prompt }]);
    const before = await kernel.score([scoreRow(last, next)]);
    kernel.keepLogits([last]);
    const row = rowAt(last);
    const logitBias = [{ token: tokenId(next), bias: 50 }];
    await kernel.sample([{ ...row, sampling: { ...row.sampling, logitBias } }]);
    expect(await kernel.score([scoreRow(last, next)])).toEqual(before);
  });

  test('does not take a kept row for one of the next step', async () => {
    const kernel = kernelNow();
    await decode(kernel, [{ seq: 0, from: 0, tokens: prompt }]);
    const expected = await kernel.score([scoreRow(last, next)]);
    await decode(kernel, [{ seq: 1, from: 0, tokens: [...prompt.slice(1), ...prompt.slice(0, 1)] }]);
    kernel.keepLogits([last]);
    const other = await kernel.score([scoreRow(last, next)]);
    expect(other).not.toEqual(expected);
    await decode(kernel, [{ seq: 2, from: 0, tokens: prompt }]);
    const again = await kernel.score([scoreRow(last, next)]);
    expect(again[0]?.logprob).toBeCloseTo(expected[0]?.logprob ?? Number.NaN, 3);
  });

  test('refuses rows without logits', async () => {
    const kernel = kernelNow();
    await decode(kernel, [{ seq: 0, from: 0, tokens: prompt }]);
    await expect(kernel.score([scoreRow(0, next)])).rejects.toThrow(/row 0/);
    expect(() => kernel.keepLogits([0])).toThrow(/row 0/);
  });
};
