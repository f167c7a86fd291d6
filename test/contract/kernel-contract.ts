// What the scheduler relies on when it talks to a kernel. One suite for every kernel, fake or real: a fake that promises
// more than the real one would let the scheduler's own tests pass for nothing.

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { must } from '../../src/assert.ts';
import type { Kernel, KvLayout } from '../../src/ports.ts';
import { answer, decode, goOn, rowAt, seqOf, step } from './kernel-driver.ts';

export interface KernelSubject {
  readonly layout: KvLayout;
  /** Whether its cache keeps every position. */
  readonly sharesPrefixes: boolean;
  /** Opens a kernel of about 4 times 256 cells and at least 4 native sequence ids, 64 tokens a step, with an empty cache. */
  open(): Promise<Kernel>;
  /** Three prompts of 20 to 60 tokens whose greedy answers are beyond doubt, so that rounding cannot change them. */
  readonly prompts: readonly [readonly number[], readonly number[], readonly number[]];
  /** Laws that it is known to break, by test name: the suite fails when one of them holds after all. */
  readonly knownFaults?: readonly string[];
}

const answerLength = 4;

/** The suite; call it inside a `describe`. */
export function kernelContract(subject: KernelSubject): void {
  const [prompt, second, third] = subject.prompts;
  let kernel: Kernel;
  beforeEach(async () => {
    kernel = await subject.open();
  });
  afterEach(() => kernel.dispose());

  const positionsOf = (seq: number) => kernel.positions(seqOf(seq));
  const answerOf = (seq: number, tokens: readonly number[]) => answer(kernel, seq, tokens, answerLength);

  test('has the sizes asked for', () => {
    expect(kernel.limits).toMatchObject({ layout: subject.layout, sharesPrefixes: subject.sharesPrefixes });
    expect(kernel.limits.batchTokensMax).toBeGreaterThanOrEqual(64);
    expect(kernel.limits.cacheSeqCount).toBeGreaterThanOrEqual(4);
    for (const array of Object.values(kernel.batch)) expect(array.length).toBeGreaterThanOrEqual(64);
  });

  test('is empty at first, and knows what it holds afterwards', async () => {
    expect(positionsOf(0)).toBeUndefined();
    await step(kernel, [{ seq: 0, from: 0, tokens: prompt.slice(0, 5) }]);
    expect(positionsOf(0)?.max).toBe(4);
    await step(kernel, [{ seq: 0, from: 5, tokens: prompt.slice(5) }]);
    expect(positionsOf(0)?.max).toBe(prompt.length - 1);
    expect(positionsOf(1)).toBeUndefined();
  });

  test('draws the same however a prompt is cut into steps', async () => {
    const expected = await answerOf(0, prompt);
    await step(kernel, [{ seq: 1, from: 0, tokens: prompt.slice(0, 7) }]);
    await step(kernel, [{ seq: 1, from: 7, tokens: prompt.slice(7, 8) }]);
    const [first] = await step(kernel, [{ seq: 1, from: 8, tokens: prompt.slice(8) }]);
    expect(await goOn(kernel, 1, { first: must(first, 'a draw'), from: prompt.length, count: answerLength })).toEqual(
      expected,
    );
  });

  test('draws the same for a sequence among others, in any order', async () => {
    const alone: number[] = [];
    for (const tokens of subject.prompts) {
      alone.push(must((await step(kernel, [{ seq: 0, from: 0, tokens }]))[0], 'a draw'));
      kernel.truncate(seqOf(0), 0);
    }
    // Together they are longer than a step: the last one is cut, and finished beside a decoding sequence.
    const cut = 64 - prompt.length - second.length;
    const rest = third.slice(0, Math.max(1, Math.min(cut, third.length - 1)));
    const [first, secondDraw] = await step(kernel, [
      { seq: 0, from: 0, tokens: prompt },
      { seq: 1, from: 0, tokens: second },
      { seq: 2, from: 0, tokens: rest },
    ]);
    expect([first, secondDraw]).toEqual(alone.slice(0, 2));
    const [, thirdDraw] = await step(kernel, [
      { seq: 0, from: prompt.length, tokens: [must(first, 'a draw')] },
      { seq: 2, from: rest.length, tokens: third.slice(rest.length) },
    ]);
    expect(thirdDraw).toBe(alone[2]);
  });

  test('draws several times from one row, and refuses rows without logits', async () => {
    await decode(kernel, [{ seq: 0, from: 0, tokens: prompt }]);
    const last = prompt.length - 1;
    const drawn = await kernel.sample([rowAt(last), rowAt(last)]);
    expect(drawn[0]).toBe(drawn[1]);
    await expect(kernel.sample([rowAt(0)])).rejects.toThrow(/row 0/);
  });

  test('forgets a sequence that is cut to nothing, and computes the next one there', async () => {
    const expected = await answerOf(0, second);
    await answerOf(1, prompt);
    kernel.truncate(seqOf(1), 0);
    expect(positionsOf(1)).toBeUndefined();
    expect(await answerOf(1, second)).toEqual(expected);
    kernel.truncate(seqOf(3), 0);
    expect(positionsOf(3)).toBeUndefined();
  });

  test('parks a sequence and goes on with it under another id', async () => {
    const expected = await answerOf(0, prompt);
    kernel.truncate(seqOf(0), 0);
    const [first] = await step(kernel, [{ seq: 0, from: 0, tokens: prompt }]);
    expect(kernel.parkBytes(seqOf(0))).toBeGreaterThan(0);
    const parked = must(kernel.park(seqOf(0), prompt.length), 'a state');
    expect(parked.tokenCount).toBe(prompt.length);
    expect(positionsOf(0)?.max).toBe(prompt.length - 1);
    kernel.truncate(seqOf(0), 0);
    await answerOf(0, second);
    expect(kernel.restore(seqOf(2), parked)).toBe(true);
    expect(positionsOf(2)?.max).toBe(prompt.length - 1);
    expect(await goOn(kernel, 2, { first: must(first, 'a draw'), from: prompt.length, count: answerLength })).toEqual(
      expected,
    );
  });

  const anyId = 'parks under the last id it offers as under the first';
  (subject.knownFaults?.includes(anyId) === true ? test.fails : test)(anyId, async () => {
    const last = kernel.limits.cacheSeqCount - 1;
    const expected = await answerOf(0, prompt);
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
    await step(kernel, [{ seq: 0, from: 0, tokens: prompt }]);
    const parked = must(kernel.park(seqOf(0), prompt.length), 'a state');
    const bytes = parked.bytes.slice();
    kernel.truncate(seqOf(0), 0);
    for (const seq of [0, 1, 2, 3]) await answerOf(seq, third);
    expect(Buffer.compare(parked.bytes, bytes)).toBe(0);
  });

  test('refuses a step that is too long, without harm', async () => {
    const expected = await answerOf(0, second);
    await expect(kernel.decode(kernel.limits.batchTokensMax + 1)).rejects.toThrow(/batch|step/);
    await expect(kernel.decode(0)).rejects.toThrow(/batch|step/);
    expect(await answerOf(1, second)).toEqual(expected);
  });

  test('refuses to put anything into a sequence that is not empty', async () => {
    await step(kernel, [
      { seq: 0, from: 0, tokens: prompt },
      { seq: 1, from: 0, tokens: second.slice(0, 8) },
    ]);
    const parked = must(kernel.park(seqOf(0), prompt.length), 'a state');
    expect(() => kernel.restore(seqOf(1), parked)).toThrow(/empty/);
    expect(() => kernel.copyPrefix(seqOf(0), seqOf(1), 4)).toThrow(/empty|every position/);
  });

  if (subject.sharesPrefixes) describe('keeps every position, and so', () => sharingContract(subject, () => kernel));
}

function sharingContract(subject: KernelSubject, kernelNow: () => Kernel): void {
  const [prompt, second] = subject.prompts;
  const common = 12;
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
}

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
