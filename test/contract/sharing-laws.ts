// What a kernel that keeps every position promises besides: prefixes can be copied, cut, and parked in part.

import { expect, test } from 'vitest';
import { must } from '../../src/assert.ts';
import type { Kernel } from '../../src/kernel-port.ts';
import { answer, answerLength, decode, drawRows, goOn, type KernelLaws, seqOf, step } from './kernel-driver.ts';

/** Tokens of a prefix that is shared. */
const common = 12;

export const copyingLaws: KernelLaws = (subject, kernelNow) => {
  const [prompt, second] = subject.prompts;
  const positionsOf = (seq: number) => kernelNow().positions(seqOf(seq));

  test('gives a copied prefix to a sequence that goes its own way, and the source stays', async () => {
    const kernel = kernelNow();
    const branch = [...prompt.slice(0, common), ...second.slice(common)];
    const expected = [await answer(kernel, 0, prompt, answerLength), await answer(kernel, 1, branch, answerLength)];
    kernel.truncate(seqOf(0), prompt.length);
    kernel.truncate(seqOf(1), 0);
    kernel.copyPrefix(seqOf(0), seqOf(1), common);
    expect([positionsOf(0), positionsOf(1)]).toEqual([
      { min: 0, max: prompt.length - 1 },
      { min: 0, max: common - 1 },
    ]);
    const [draw] = await step(kernel, [{ seq: 1, from: common, tokens: branch.slice(common) }]);
    const from = branch.length;
    expect(await goOn(kernel, 1, { first: must(draw, 'a draw'), from, count: answerLength })).toEqual(expected[1]);
    kernel.truncate(seqOf(0), prompt.length - 1);
    const [again] = await step(kernel, [{ seq: 0, from: prompt.length - 1, tokens: prompt.slice(-1) }]);
    expect(again).toBe(expected[0]?.[0]);
  });

  test('keeps a copy whose source is dropped and used anew in the same step', async () => {
    const kernel = kernelNow();
    const expected = await answer(kernel, 0, prompt, answerLength);
    const other = await answer(kernel, 1, second, 1);
    kernel.truncate(seqOf(0), prompt.length - 1);
    kernel.truncate(seqOf(1), 0);
    kernel.copyPrefix(seqOf(0), seqOf(2), prompt.length - 1);
    kernel.truncate(seqOf(0), 0);
    const [fresh, copied] = await step(kernel, [
      { seq: 0, from: 0, tokens: second },
      { seq: 2, from: prompt.length - 1, tokens: prompt.slice(-1) },
    ]);
    expect([fresh, copied]).toEqual([other[0], expected[0]]);
  });

  test('copies a copy before anything is computed, to several sequences', async () => {
    const kernel = kernelNow();
    const expected = await answer(kernel, 0, prompt, 1);
    kernel.copyPrefix(seqOf(0), seqOf(1), prompt.length - 1);
    kernel.copyPrefix(seqOf(1), seqOf(2), prompt.length - 1);
    const chunk = { from: prompt.length - 1, tokens: prompt.slice(-1) };
    const draws = await step(kernel, [
      { seq: 1, ...chunk },
      { seq: 2, ...chunk },
    ]);
    expect(draws).toEqual([expected[0], expected[0]]);
  });
};

export const cuttingLaws: KernelLaws = (subject, kernelNow) => {
  const [prompt, second] = subject.prompts;
  const positionsOf = (seq: number) => kernelNow().positions(seqOf(seq));

  test('cuts a sequence back and computes another end', async () => {
    const kernel = kernelNow();
    const expected = await answer(kernel, 0, prompt, answerLength);
    const wrong = [...prompt.slice(0, common), ...second.slice(common)];
    await answer(kernel, 1, wrong, answerLength);
    kernel.truncate(seqOf(1), common);
    expect(positionsOf(1)).toEqual({ min: 0, max: common - 1 });
    const [draw] = await step(kernel, [{ seq: 1, from: common, tokens: prompt.slice(common) }]);
    const from = prompt.length;
    expect(await goOn(kernel, 1, { first: must(draw, 'a draw'), from, count: answerLength })).toEqual(expected);
  });

  test('draws at each of several rows what it draws one at a time, and goes on where guesses went wrong', async () => {
    const kernel = kernelNow();
    const expected = await answer(kernel, 0, prompt, answerLength);
    const [first = 0] = await answer(kernel, 1, prompt, 1);
    const [, next = 0, third = 0] = expected;
    const from = prompt.length;
    // The first guess is right, the others are not.
    const rows = await drawRows(kernel, { seq: 1, from, tokens: [first, next, ...second.slice(0, 2)] });
    expect(rows.slice(0, 2)).toEqual(expected.slice(1, 3));
    kernel.truncate(seqOf(1), from + 2);
    expect(await goOn(kernel, 1, { first: third, from: from + 2, count: answerLength - 2 })).toEqual(expected.slice(2));
  });

  test('leaves a sequence alone that is cut where it ends', async () => {
    const kernel = kernelNow();
    await step(kernel, [{ seq: 0, from: 0, tokens: prompt }]);
    kernel.truncate(seqOf(0), prompt.length);
    kernel.truncate(seqOf(0), prompt.length + 100);
    expect(positionsOf(0)?.max).toBe(prompt.length - 1);
  });

  test('parks only as much of a sequence as is asked for', async () => {
    const kernel = kernelNow();
    const [expected] = await answer(kernel, 0, prompt, answerLength);
    const parked = must(kernel.park(seqOf(0), prompt.length - 1), 'a state');
    expect(kernel.restore(seqOf(1), parked)).toBe(true);
    expect(positionsOf(1)).toEqual({ min: 0, max: prompt.length - 2 });
    const [again] = await step(kernel, [{ seq: 1, from: prompt.length - 1, tokens: prompt.slice(-1) }]);
    expect(again).toBe(expected);
  });
};

export const roomLaws: KernelLaws = (subject, kernelNow) => {
  const [prompt] = subject.prompts;
  const positionsOf = (seq: number) => kernelNow().positions(seqOf(seq));

  test('says when a step does not fit, computes nothing of it, and goes on', async () => {
    const kernel = kernelNow();
    const [expected] = await answer(kernel, 1, prompt, 1);
    kernel.truncate(seqOf(1), 0);
    const filled = await fill(kernel, 0);
    expect(positionsOf(0)?.max).toBe(filled - 1);
    const parked = must(kernel.park(seqOf(0), filled), 'a state');
    if (subject.layout === 'pooled') {
      expect(kernel.restore(seqOf(2), parked)).toBe(false);
      expect(positionsOf(2)).toBeUndefined();
      expect(await decode(kernel, [{ seq: 1, from: 0, tokens: prompt }])).toEqual({ kind: 'no-room' });
      expect(positionsOf(1)).toBeUndefined();
    }
    kernel.truncate(seqOf(0), 0);
    expect((await answer(kernel, 1, prompt, 1))[0]).toBe(expected);
  });
};

/** Computes tokens of one sequence until no more fit; answers how many did. */
async function fill(kernel: Kernel, seq: number): Promise<number> {
  let filled = 0;
  let count = 16;
  while (count > 0) {
    const tokens = Array.from({ length: count }, (_, index) => 60 + ((filled + index) % 50));
    const outcome = await decode(kernel, [{ seq, from: filled, tokens }]);
    expect(['done', 'no-room']).toContain(outcome.kind);
    if (outcome.kind === 'done') filled += count;
    else count = Math.floor(count / 2);
  }
  return filled;
}
