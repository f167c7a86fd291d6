// What a kernel of any model promises about sequences that change their id.

import { expect, test } from 'vitest';
import { must } from '../../src/assert.ts';
import { answer, answerLength, goOn, type KernelLaws, seqOf, step } from './kernel-driver.ts';

export const movingLaws: KernelLaws = (subject, kernelNow) => {
  const [prompt, second, third] = subject.prompts;
  const positionsOf = (seq: number) => kernelNow().positions(seqOf(seq));

  test('moves a sequence to another id, where it goes on, while its old id is used anew in the same step', async () => {
    const kernel = kernelNow();
    const expected = await answer(kernel, 0, prompt, answerLength);
    const other = await answer(kernel, 1, second, 1);
    for (const seq of [0, 1]) kernel.truncate(seqOf(seq), 0);
    const [first] = await step(kernel, [{ seq: 3, from: 0, tokens: prompt }]);
    const held = positionsOf(3);
    kernel.move(seqOf(3), seqOf(1));
    expect([positionsOf(3), positionsOf(1)]).toEqual([undefined, held]);
    const [draw, fresh] = await step(kernel, [
      { seq: 1, from: prompt.length, tokens: [must(first, 'a draw')] },
      { seq: 3, from: 0, tokens: second },
    ]);
    expect([first, draw, fresh]).toEqual([expected[0], expected[1], other[0]]);
    const from = prompt.length + 1;
    const rest = await goOn(kernel, 1, { first: must(draw, 'a draw'), from, count: answerLength - 1 });
    expect(rest).toEqual(expected.slice(1));
  });

  test('moves several one after another, also to where one has just left, and others stay as they are', async () => {
    const kernel = kernelNow();
    const expected = [
      await answer(kernel, 0, prompt, 2),
      await answer(kernel, 1, second, 2),
      await answer(kernel, 2, third, 2),
    ];
    for (const seq of [0, 1, 2]) kernel.truncate(seqOf(seq), 0);
    const draws = [
      ...(await step(kernel, [{ seq: 0, from: 0, tokens: prompt }])),
      ...(await step(kernel, [{ seq: 2, from: 0, tokens: second }])),
      ...(await step(kernel, [{ seq: 3, from: 0, tokens: third }])),
    ];
    kernel.move(seqOf(2), seqOf(1));
    kernel.move(seqOf(3), seqOf(2));
    const next = await step(
      kernel,
      [prompt, second, third].map((tokens, seq) => ({ seq, from: tokens.length, tokens: [draws[seq] ?? -1] })),
    );
    expect(next).toEqual(expected.map((tokens) => tokens[1]));
  });

  test('moves nothing to an id that is in use, nor from one that is empty', async () => {
    const kernel = kernelNow();
    await step(kernel, [
      { seq: 0, from: 0, tokens: prompt },
      { seq: 1, from: 0, tokens: second },
    ]);
    expect(() => kernel.move(seqOf(0), seqOf(1))).toThrow(/empty/);
    expect(() => kernel.move(seqOf(2), seqOf(3))).toThrow(/sequence (id )?2/);
    expect(positionsOf(0)?.max).toBe(prompt.length - 1);
  });
};
