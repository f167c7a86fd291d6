// What a kernel promises about single steps: what it holds afterwards, and that draws depend on the prefix alone.

import { expect, test } from 'vitest';
import { must } from '../../src/assert.ts';
import { answer, answerLength, decode, goOn, type KernelLaws, rowAt, seqOf, step } from './kernel-driver.ts';

export const holdingLaws: KernelLaws = (subject, kernelNow) => {
  const [prompt, second] = subject.prompts;
  const positionsOf = (seq: number) => kernelNow().positions(seqOf(seq));

  test('has the sizes asked for', () => {
    const kernel = kernelNow();
    expect(kernel.limits).toMatchObject({ layout: subject.layout, sharesPrefixes: subject.sharesPrefixes });
    expect(kernel.limits.batchTokensMax).toBeGreaterThanOrEqual(64);
    expect(kernel.limits.cacheSeqCount).toBeGreaterThanOrEqual(4);
    for (const array of Object.values(kernel.batch)) expect(array.length).toBeGreaterThanOrEqual(64);
  });

  test('is empty at first, and knows what it holds afterwards', async () => {
    const kernel = kernelNow();
    expect(positionsOf(0)).toBeUndefined();
    await step(kernel, [{ seq: 0, from: 0, tokens: prompt.slice(0, 5) }]);
    expect(positionsOf(0)?.max).toBe(4);
    await step(kernel, [{ seq: 0, from: 5, tokens: prompt.slice(5) }]);
    expect(positionsOf(0)?.max).toBe(prompt.length - 1);
    expect(positionsOf(1)).toBeUndefined();
  });

  test('forgets a sequence that is cut to nothing, and computes the next one there', async () => {
    const kernel = kernelNow();
    const expected = await answer(kernel, 0, second, answerLength);
    await answer(kernel, 1, prompt, answerLength);
    kernel.truncate(seqOf(1), 0);
    expect(positionsOf(1)).toBeUndefined();
    expect(await answer(kernel, 1, second, answerLength)).toEqual(expected);
    kernel.truncate(seqOf(3), 0);
    expect(positionsOf(3)).toBeUndefined();
  });

  test('refuses a step that is too long, without harm', async () => {
    const kernel = kernelNow();
    const expected = await answer(kernel, 0, second, answerLength);
    await expect(kernel.decode(kernel.limits.batchTokensMax + 1)).rejects.toThrow(/batch|step/);
    await expect(kernel.decode(0)).rejects.toThrow(/batch|step/);
    expect(await answer(kernel, 1, second, answerLength)).toEqual(expected);
  });
};

export const drawingLaws: KernelLaws = (subject, kernelNow) => {
  const [prompt, second, third] = subject.prompts;

  test('draws the same where a prompt is made as long as its neighbour by rows that are cut again', async () => {
    if (!subject.sharesPrefixes) return;
    const kernel = kernelNow();
    const { tokens, positions, cacheSeqs, outputs } = kernel.batch;
    const expected = [await answer(kernel, 0, prompt, answerLength), await answer(kernel, 1, second, answerLength)];
    for (const seq of [0, 1]) kernel.truncate(seqOf(seq), 0);
    const runs = [prompt, second].map((whole, seq) => ({ seq, whole, from: whole.length - (seq === 0 ? 6 : 3) }));
    for (const { seq, whole, from } of runs) await step(kernel, [{ seq, from: 0, tokens: whole.slice(0, from) }]);
    for (const { seq, whole, from } of runs)
      for (let offset = 0; offset < 6; offset++) {
        const row = 6 * seq + offset;
        tokens[row] = whole[from + offset] ?? 0;
        positions[row] = from + offset;
        cacheSeqs[row] = seq;
        outputs[row] = from + offset === whole.length - 1 ? 1 : 0;
      }
    expect(await kernel.decode(12)).toEqual({ kind: 'done' });
    const drawn = await kernel.sample([rowAt(5), rowAt(8)]);
    kernel.truncate(seqOf(1), second.length);
    for (const { seq, whole } of runs) {
      const start = { first: must(drawn[seq], 'a draw'), from: whole.length, count: answerLength };
      expect(await goOn(kernel, seq, start)).toEqual(expected[seq]);
    }
  });

  test('draws the same however a prompt is cut into steps', async () => {
    const kernel = kernelNow();
    const expected = await answer(kernel, 0, prompt, answerLength);
    await step(kernel, [{ seq: 1, from: 0, tokens: prompt.slice(0, 7) }]);
    await step(kernel, [{ seq: 1, from: 7, tokens: prompt.slice(7, 8) }]);
    const [first] = await step(kernel, [{ seq: 1, from: 8, tokens: prompt.slice(8) }]);
    expect(await goOn(kernel, 1, { first: must(first, 'a draw'), from: prompt.length, count: answerLength })).toEqual(
      expected,
    );
  });

  test('draws the same for a sequence among others, in any order', async () => {
    const kernel = kernelNow();
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

  test('draws only what the mask of a row allows', async () => {
    const kernel = kernelNow();
    await decode(kernel, [
      { seq: 0, from: 0, tokens: prompt },
      { seq: 1, from: 0, tokens: second },
    ]);
    const rows = [prompt.length - 1, prompt.length + second.length - 1].map(rowAt);
    const mask = new Int32Array(Math.ceil(kernel.limits.vocabularySize / 32));
    mask[0] = 1 << 7;
    const [masked, free] = await kernel.sample(rows.map((row, index) => (index === 0 ? { ...row, mask } : row)));
    expect(masked).toBe(7);
    kernel.truncate(seqOf(1), 0);
    expect(free).toBe((await step(kernel, [{ seq: 1, from: 0, tokens: second }]))[0]);
  });

  test('draws several times from one row, and refuses rows without logits', async () => {
    const kernel = kernelNow();
    await decode(kernel, [{ seq: 0, from: 0, tokens: prompt }]);
    const last = prompt.length - 1;
    const drawn = await kernel.sample([rowAt(last), rowAt(last)]);
    expect(drawn[0]).toBe(drawn[1]);
    await expect(kernel.sample([rowAt(0)])).rejects.toThrow(/row 0/);
  });
};
