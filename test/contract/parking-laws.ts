// What a kernel promises about sequences in host memory: they come back as they were, under any id.

import { expect, test } from 'vitest';
import { must } from '../../src/assert.ts';
import { answer, answerLength, goOn, type KernelLaws, seqOf, step } from './kernel-driver.ts';

export const parkingLaws: KernelLaws = (subject, kernelNow) => {
  const [prompt, second, third] = subject.prompts;
  const positionsOf = (seq: number) => kernelNow().positions(seqOf(seq));

  test('parks a sequence and goes on with it under another id', async () => {
    const kernel = kernelNow();
    const expected = await answer(kernel, 0, prompt, answerLength);
    kernel.truncate(seqOf(0), 0);
    const [first] = await step(kernel, [{ seq: 0, from: 0, tokens: prompt }]);
    expect(kernel.parkBytes(seqOf(0))).toBeGreaterThan(0);
    const parked = must(kernel.park(seqOf(0), prompt.length), 'a state');
    expect(parked.tokenCount).toBe(prompt.length);
    expect(positionsOf(0)?.max).toBe(prompt.length - 1);
    kernel.truncate(seqOf(0), 0);
    await answer(kernel, 0, second, answerLength);
    expect(kernel.restore(seqOf(2), parked)).toBe(true);
    expect(positionsOf(2)?.max).toBe(prompt.length - 1);
    expect(await goOn(kernel, 2, { first: must(first, 'a draw'), from: prompt.length, count: answerLength })).toEqual(
      expected,
    );
  });

  const anyId = 'parks under the last id it offers as under the first';
  (subject.knownFaults?.includes(anyId) === true ? test.fails : test)(anyId, async () => {
    const kernel = kernelNow();
    const last = kernel.limits.cacheSeqCount - 1;
    const expected = await answer(kernel, 0, prompt, answerLength);
    const [first] = await step(kernel, [{ seq: last, from: 0, tokens: prompt }]);
    const parked = must(kernel.park(seqOf(last), prompt.length), 'a state');
    kernel.truncate(seqOf(last), 0);
    for (const seq of [1, last]) {
      expect(kernel.restore(seqOf(seq), parked)).toBe(true);
      expect(
        await goOn(kernel, seq, { first: must(first, 'a draw'), from: prompt.length, count: answerLength }),
      ).toEqual(expected);
    }
  });

  test('keeps a parked state as it was, whatever happens to the cache', async () => {
    const kernel = kernelNow();
    await step(kernel, [{ seq: 0, from: 0, tokens: prompt }]);
    const parked = must(kernel.park(seqOf(0), prompt.length), 'a state');
    const bytes = parked.bytes.slice();
    kernel.truncate(seqOf(0), 0);
    for (const seq of [0, 1, 2, 3]) await answer(kernel, seq, third, answerLength);
    expect(Buffer.compare(parked.bytes, bytes)).toBe(0);
  });

  test('fills a sequence with what it lacks of a state', async () => {
    const kernel = kernelNow();
    if (!kernel.limits.sharesPrefixes) return;
    const expected = await answer(kernel, 0, prompt, answerLength);
    kernel.truncate(seqOf(0), 0);
    const [first] = await step(kernel, [{ seq: 0, from: 0, tokens: prompt }]);
    const parked = must(kernel.park(seqOf(0), prompt.length), 'a state');
    const filledCount = prompt.length - 2;
    for (const sharedCount of kernel.limits.layout === 'pooled' ? [0, 1, filledCount - 1] : [0]) {
      if (sharedCount > 0) kernel.copyPrefix(seqOf(0), seqOf(2), sharedCount);
      expect(kernel.fill(seqOf(2), { ...parked, tokenCount: filledCount })).toBe(true);
      expect(positionsOf(2)).toEqual({ min: 0, max: filledCount - 1 });
      const tokens = prompt.slice(filledCount);
      const [again] = await step(kernel, [{ seq: 2, from: filledCount, tokens }]);
      expect(again).toEqual(first);
      expect(await goOn(kernel, 2, { first: must(again, 'a draw'), from: prompt.length, count: answerLength })).toEqual(
        expected,
      );
      kernel.truncate(seqOf(2), 0);
    }
    kernel.truncate(seqOf(0), 0);
    await answer(kernel, 1, third, answerLength);
  });

  test('refuses to put anything into a sequence that is not empty', async () => {
    const kernel = kernelNow();
    await step(kernel, [
      { seq: 0, from: 0, tokens: prompt },
      { seq: 1, from: 0, tokens: second.slice(0, 8) },
    ]);
    const parked = must(kernel.park(seqOf(0), prompt.length), 'a state');
    expect(() => kernel.restore(seqOf(1), parked)).toThrow(/empty/);
    expect(() => kernel.copyPrefix(seqOf(0), seqOf(1), 4)).toThrow(/empty|every position/);
  });
};
