// What a kernel promises that copies beside its steps: the same states, and sequences that go on as if nothing had been copied.

import { expect, test } from 'vitest';
import { must } from '../../src/assert.ts';
import type { CopiesBeside, Kernel, ParkedState } from '../../src/kernel-port.ts';
import { answer, answerLength, goOn, type KernelLaws, seqOf, step } from './kernel-driver.ts';

export const besideLaws: KernelLaws = (subject, kernelNow) => {
  const [prompt, second, third] = subject.prompts;
  const besideOf = (kernel: Kernel): CopiesBeside => must(kernel.beside, 'the kernel copies beside its steps');
  const positionsOf = (seq: number) => kernelNow().positions(seqOf(seq));

  /** Computes the prompt as sequence 0; answers its first draw, and what an undisturbed sequence goes on with. */
  async function started(tokens: readonly number[] = prompt) {
    const kernel = kernelNow();
    const expected = await answer(kernel, 0, tokens, answerLength);
    kernel.truncate(seqOf(0), 0);
    const [drawn] = await step(kernel, [{ seq: 0, from: 0, tokens }]);
    return { kernel, beside: besideOf(kernel), expected, first: must(drawn, 'a draw') };
  }

  const goesOn = (seq: number, first: number, from = prompt.length) =>
    goOn(kernelNow(), seq, { first, from, count: answerLength });

  test('parks a sequence beside a step, restores it beside another under another id, and goes on with it', async () => {
    const { kernel, beside, expected, first } = await started();
    const parking = beside.park(seqOf(0), prompt.length);
    await step(kernel, [{ seq: 1, from: 0, tokens: second }]);
    const parked = must(await parking, 'a state');
    expect(parked.tokenCount).toBe(prompt.length);
    expect(positionsOf(0)?.max).toBe(prompt.length - 1);
    kernel.truncate(seqOf(0), 0);
    for (const seq of [0, 2]) {
      await answer(kernel, seq, third, answerLength);
      kernel.truncate(seqOf(seq), 0);
    }
    const restoring = must(beside.restore(seqOf(2), parked), 'room');
    expect(positionsOf(2)).toEqual({ min: 0, max: prompt.length - 1 });
    await step(kernel, [{ seq: 3, from: 0, tokens: second }]);
    await restoring;
    expect(await goesOn(2, first)).toEqual(expected);
    // The steps that went on meanwhile were not disturbed either.
    const [drawn] = await step(kernel, [{ seq: 1, from: second.length, tokens: third.slice(0, 5) }]);
    const [again] = await step(kernel, [{ seq: 3, from: second.length, tokens: third.slice(0, 5) }]);
    expect(drawn).toBe(again);
  });

  test('parks the very bytes that are parked between steps, of every id', async () => {
    const { kernel, beside } = await started();
    const last = kernel.limits.cacheSeqCount - 1;
    await step(kernel, [{ seq: last, from: 0, tokens: third }]);
    for (const [seq, { length }] of [[0, prompt] as const, [last, third] as const]) {
      const between = must(kernel.park(seqOf(seq), length), 'a state');
      const parked = must(await beside.park(seqOf(seq), length), 'a state');
      expect(Buffer.compare(between.bytes, parked.bytes)).toBe(0);
    }
  });

  test('what was parked beside a step is restored between steps, and the other way round', async () => {
    const { kernel, beside, expected, first } = await started();
    const last = kernel.limits.cacheSeqCount - 1;
    const parked = must(await beside.park(seqOf(0), prompt.length), 'a state');
    const between = must(kernel.park(seqOf(0), prompt.length), 'a state');
    expect(kernel.restore(seqOf(last), parked)).toBe(true);
    await must(beside.restore(seqOf(1), between), 'room');
    for (const seq of [last, 1]) expect(await goesOn(seq, first)).toEqual(expected);
  });

  test('parks and restores the beginning of what there is', async () => {
    const { kernel, beside, expected, first } = await started();
    const count = prompt.length - 2;
    const whole = must(kernel.park(seqOf(0), prompt.length), 'a state');
    const beginning = must(await beside.park(seqOf(0), count), 'a state');
    expect(beginning.bytes.length).toBeLessThan(whole.bytes.length);
    for (const [index, state] of [{ ...whole, tokenCount: count }, beginning].entries()) {
      await must(beside.restore(seqOf(1 + index), state), 'room');
      expect(positionsOf(1 + index)).toEqual({ min: 0, max: count - 1 });
    }
    for (const seq of [1, 2]) {
      expect(await step(kernel, [{ seq, from: count, tokens: prompt.slice(count) }])).toEqual([first]);
      expect(await goesOn(seq, first)).toEqual(expected);
    }
  });

  test('makes several copies that were asked for at once, in both directions', async () => {
    const kernel = kernelNow();
    const beside = besideOf(kernel);
    const prompts = [prompt, second, third];
    const expected: number[][] = [];
    for (const [seq, tokens] of prompts.entries()) {
      expected.push(await answer(kernel, seq, tokens, answerLength));
      kernel.truncate(seqOf(seq), tokens.length);
    }
    const parks = prompts.map((tokens, seq) => beside.park(seqOf(seq), tokens.length));
    await step(kernel, [{ seq: 3, from: 0, tokens: third }]);
    const [one, two, three] = (await Promise.all(parks)).map((state) => must(state, 'a state'));
    for (const seq of [0, 1]) kernel.truncate(seqOf(seq), 0);
    const early = beside.park(seqOf(2), third.length);
    const restores = [
      beside.restore(seqOf(1), must(one, 'the first')),
      beside.restore(seqOf(0), must(two, 'the second')),
    ];
    const late = beside.park(seqOf(2), third.length);
    const next = await step(kernel, [{ seq: 3, from: third.length, tokens: [must(expected[2]?.[0], 'a draw')] }]);
    expect(next).toEqual([expected[2]?.[1]]);
    for (const again of [await early, await late])
      expect(Buffer.compare(must(again, 'a state').bytes, must(three, 'the third').bytes)).toBe(0);
    await Promise.all(restores.map((done) => must(done, 'room')));
    for (const [seq, index] of [[1, 0] as const, [0, 1] as const, [2, 2] as const]) {
      const answered = must(expected[index], 'an answer');
      expect(await goesOn(seq, must(answered[0], 'a draw'), prompts[index]?.length)).toEqual(answered);
    }
  });

  test('rows behind the positions that are parked do not disturb them', async () => {
    const { kernel, beside, expected, first } = await started();
    const before = must(kernel.park(seqOf(0), prompt.length), 'a state');
    const parks = Array.from({ length: 4 }, () => beside.park(seqOf(0), prompt.length));
    const drawn = await goesOn(0, first);
    kernel.truncate(seqOf(0), prompt.length + 1);
    for (const parked of await Promise.all(parks))
      expect(Buffer.compare(must(parked, 'a state').bytes, before.bytes)).toBe(0);
    expect(drawn).toEqual(expected);
    const late = must(await beside.park(seqOf(0), prompt.length), 'a state');
    expect(Buffer.compare(late.bytes, before.bytes)).toBe(0);
  });

  test('a state that is forgotten while it is copied keeps its memory until it was', async () => {
    const { kernel, beside, expected, first } = await started();
    const parked = must(kernel.park(seqOf(0), prompt.length), 'a state');
    // As long, so that it would be written to the same memory.
    await step(kernel, [{ seq: 1, from: 0, tokens: [...prompt].reverse() }]);
    const again: ParkedState = { ...parked };
    const restoring = [beside.restore(seqOf(2), parked), beside.restore(seqOf(3), again)];
    kernel.forget(parked);
    expect(kernel.park(seqOf(1), prompt.length)).toBeDefined();
    await Promise.all(restoring.map((done) => must(done, 'room')));
    expect(parked.bytes.length).toBe(0);
    for (const seq of [2, 3]) expect(await goesOn(seq, first)).toEqual(expected);
    const fresh = must(await beside.park(seqOf(0), prompt.length), 'a state');
    kernel.forget(fresh);
    expect(fresh.bytes.length).toBe(0);
    // Forgotten, it is no state any more.
    expect(beside.restore(seqOf(2), fresh)).toBeUndefined();
  });

  test('copies nothing from or to a sequence that waits to be copied itself', async () => {
    const { kernel, beside, expected, first } = await started();
    const parked = must(kernel.park(seqOf(0), prompt.length), 'a state');
    kernel.copyPrefix(seqOf(0), seqOf(1), 8);
    for (const seq of [0, 1]) expect(await beside.park(seqOf(seq), 8)).toBeUndefined();
    kernel.truncate(seqOf(1), 0);
    expect(beside.restore(seqOf(1), parked)).toBeUndefined();
    expect(positionsOf(1)).toBeUndefined();
    await step(kernel, [{ seq: 3, from: 0, tokens: second }]);
    expect(await beside.park(seqOf(0), 8)).toBeDefined();
    await must(beside.restore(seqOf(1), parked), 'room');
    expect(await goesOn(1, first)).toEqual(expected);
  });

  test('refuses to park what is not there, and to restore into a sequence that is not empty', async () => {
    const { kernel, beside } = await started();
    await expect(beside.park(seqOf(0), prompt.length + 1)).rejects.toThrow(/holds the/);
    const parked = must(kernel.park(seqOf(0), prompt.length), 'a state');
    expect(() => beside.restore(seqOf(0), parked)).toThrow(/empty/);
    await step(kernel, [{ seq: 0, from: prompt.length, tokens: second.slice(0, 2) }]);
  });
};
