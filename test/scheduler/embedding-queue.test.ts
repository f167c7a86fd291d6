import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { EmbedderLimits } from '../../src/embedding-port.ts';
import { createEmbeddingQueue, type EmbeddingQueue, type PlannedPart } from '../../src/scheduler/embedding-queue.ts';

const limits: EmbedderLimits = {
  passTokensMax: 8,
  inputsMax: 4,
  inputTokensMax: 20,
  cellCount: 20,
  splitsInputs: true,
};

const inputsOf = (...lengths: number[]) =>
  lengths.map((length, index) => ({ index, tokens: Int32Array.from({ length }, (_, at) => at) }));
const submit = (queue: EmbeddingQueue, id: number, ...lengths: number[]) =>
  queue.submit({ kind: 'embed', id, inputs: inputsOf(...lengths) });
const shown = (parts: readonly PlannedPart[] | undefined) =>
  parts?.map(({ requestId, index, lane, from, to }) => `${requestId}.${index}@${lane} ${from}-${to}`);

describe('a pass', () => {
  test('takes an input of each request in turn, as many as fit', () => {
    const queue = createEmbeddingQueue(limits);
    submit(queue, 1, 3, 3, 3);
    submit(queue, 2, 2);
    expect(shown(queue.plan(8))).toEqual(['1.0@1 0-3', '2.0@2 0-2', '1.1@3 0-3']);
    expect(shown(queue.plan(8))).toEqual(['1.2@1 0-3']);
    expect(queue.plan(8)).toBeUndefined();
    expect(queue.hasWork()).toBe(false);
  });

  test('passes over what is too long for its rest', () => {
    const queue = createEmbeddingQueue(limits);
    submit(queue, 1, 5, 7);
    submit(queue, 2, 3);
    expect(shown(queue.plan(8))).toEqual(['1.0@1 0-5', '2.0@2 0-3']);
    expect(shown(queue.plan(8))).toEqual(['1.1@1 0-7']);
  });

  test('cuts an input that is longer than a whole pass, and fills the last piece up with others', () => {
    const queue = createEmbeddingQueue(limits);
    submit(queue, 1, 20);
    submit(queue, 2, 2);
    expect(shown(queue.plan(8))).toEqual(['1.0@0 0-8']);
    // Cells that are left: 20 in all, 16 of them taken.
    expect(shown(queue.plan(8))).toEqual(['1.0@0 8-16']);
    expect(shown(queue.plan(8))).toEqual(['1.0@0 16-20']);
    expect(shown(queue.plan(8))).toEqual(['2.0@1 0-2']);
  });

  test('is as short as it is asked to be', () => {
    const queue = createEmbeddingQueue(limits);
    submit(queue, 1, 5);
    expect(shown(queue.plan(2))).toEqual(['1.0@0 0-2']);
    expect(shown(queue.plan(2))).toEqual(['1.0@0 2-4']);
    expect(shown(queue.plan(2))).toEqual(['1.0@0 4-5']);
  });

  test('reads an input whole where the model must', () => {
    const queue = createEmbeddingQueue({ ...limits, passTokensMax: 20, splitsInputs: false });
    submit(queue, 1, 20);
    submit(queue, 2, 2);
    expect(shown(queue.plan(2))).toEqual(['1.0@1 0-20']);
    expect(shown(queue.plan(2))).toEqual(['2.0@1 0-2']);
  });
});

test('a request that is cancelled is forgotten, also in the middle of an input', () => {
  const queue = createEmbeddingQueue(limits);
  submit(queue, 1, 20, 3);
  submit(queue, 2, 2);
  queue.plan(8);
  queue.cancel(1);
  expect(queue.isWanted(1)).toBe(false);
  expect(shown(queue.plan(8))).toEqual(['2.0@1 0-2']);
  expect(queue.hasWork()).toBe(false);
});

test('a request is wanted until all its inputs are answered', () => {
  const queue = createEmbeddingQueue(limits);
  submit(queue, 1, 1, 1, 1);
  queue.answered(1, 2);
  expect(queue.isWanted(1)).toBe(true);
  queue.answered(1, 1);
  expect(queue.isWanted(1)).toBe(false);
});

test('every token of every input is computed once, in order, within all limits', () => {
  const lengths = fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 6 });
  const requests = fc.array(lengths, { minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(
      requests,
      fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1 }),
      fc.boolean(),
      (all, budgets, splits) => {
        const own = splits ? limits : { ...limits, passTokensMax: 20, splitsInputs: false };
        const queue = createEmbeddingQueue(own);
        for (const [id, each] of all.entries()) submit(queue, id, ...each);
        const computed = new Map<string, number>();
        for (let pass = 0; queue.hasWork(); pass++) {
          const parts = queue.plan(budgets[pass % budgets.length] ?? 1) ?? [];
          checkPass(parts, own);
          for (const { requestId, index, from, to } of parts) {
            const key = `${requestId}.${index}`;
            expect(computed.get(key) ?? 0).toBe(from);
            computed.set(key, to);
          }
        }
        for (const [id, each] of all.entries())
          for (const [index, length] of each.entries()) expect(computed.get(`${id}.${index}`)).toBe(length);
      },
    ),
    { interruptAfterTimeLimit: 1500 },
  );
});

function checkPass(parts: readonly PlannedPart[], own: EmbedderLimits): void {
  const held = parts.reduce((sum, { to, from }) => sum + (from > 0 ? to : to - from), 0);
  const tokenCount = parts.reduce((sum, { from, to }) => sum + to - from, 0);
  expect(tokenCount).toBeGreaterThan(0);
  expect(tokenCount).toBeLessThanOrEqual(own.passTokensMax);
  expect(held).toBeLessThanOrEqual(own.cellCount);
  expect(new Set(parts.map(({ lane }) => lane)).size).toBe(parts.length);
  for (const { lane } of parts) expect(lane).toBeLessThan(own.inputsMax);
  const cut = parts.filter(({ from, to, tokens }) => from > 0 || to < tokens.length);
  expect(cut.length).toBeLessThanOrEqual(own.splitsInputs ? 1 : 0);
}
