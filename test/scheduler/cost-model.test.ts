import { describe, expect, it } from 'vitest';
import { type ChunkQuestion, createCostModel, promptTokensWithin } from '../../src/scheduler/cost-model.ts';

/** A machine that takes 5 ms a step, 0.5 ms a decoding sequence; a chunk costs 6 ms and 0.2 ms a token. */
function trueMs(decodeCount: number, promptTokenCount: number): number {
  return 5 + 0.5 * decodeCount + (promptTokenCount === 0 ? 0 : 6 + promptTokenCount * 0.2);
}

function learned(slowness = 1) {
  const model = createCostModel();
  for (let round = 0; round < 400; round++) {
    const decodeCount = 1 + (round % 16);
    model.observe({ decodeCount, promptTokenCount: 0 }, slowness * trueMs(decodeCount, 0));
    const promptTokenCount = 2 ** (3 + (round % 8));
    model.observe({ decodeCount, promptTokenCount }, slowness * trueMs(decodeCount, promptTokenCount));
  }
  return model;
}

const question: ChunkQuestion = { decodeCount: 8, promptCount: 1, itlTargetMs: 0, queueMs: 0, budgetTokens: 2048 };

describe('cost model', () => {
  it('learns a machine within 5 %, though its chunks have a fixed cost', () => {
    const model = learned();
    for (const [decodeCount, promptTokenCount] of [
      [1, 0],
      [16, 0],
      [8, 128],
      [4, 32],
      [0, 1024],
    ] as const) {
      const expected = decodeCount === 0 ? 6 + promptTokenCount * 0.2 : trueMs(decodeCount, promptTokenCount);
      const predicted = model.predictMs({ decodeCount, promptTokenCount }) ?? 0;
      expect(Math.abs(predicted - expected) / expected).toBeLessThan(0.05);
    }
  });

  it('chooses a chunk that meets an explicit target, whatever waits', () => {
    const count = promptTokensWithin(learned(), { ...question, itlTargetMs: 40, queueMs: 60_000, promptCount: 50 });
    expect(trueMs(8, count)).toBeLessThan(41);
    expect(count).toBeGreaterThan(64);
  });

  it('without a target keeps a step under twice the quiet one', () => {
    const model = createCostModel();
    for (let round = 0; round < 400; round++) {
      model.observe({ decodeCount: 8, promptTokenCount: 0 }, 30);
      const promptTokenCount = 2 ** (3 + (round % 8));
      model.observe({ decodeCount: 8, promptTokenCount }, 30 + 6 + 0.2 * promptTokenCount);
    }
    const count = promptTokensWithin(model, question);
    expect(30 + 6 + 0.2 * count).toBeLessThan(2 * 30 * 1.05);
    expect(count).toBeGreaterThan(64);
  });

  it('without a target gives more to prompts the more of them wait: one stream does not hold up thirty', () => {
    const ask = (decodeCount: number, promptCount: number) =>
      promptTokensWithin(learned(), { ...question, decodeCount, promptCount, budgetTokens: 1e6 });
    expect(ask(1, 31)).toBeGreaterThan(10 * ask(1, 1));
    expect(ask(8, 1)).toBe(ask(8, 4));
  });

  it('without a target gives prompts more the longer the queue has waited, within a limit', () => {
    const ask = (queueMs: number) => promptTokensWithin(learned(), { ...question, queueMs, budgetTokens: 1e6 });
    expect(ask(10_000)).toBeGreaterThan(3 * ask(0));
    expect(ask(1e9)).toBe(ask(1e10));
    expect(trueMs(8, ask(1e9))).toBeLessThan(70 * trueMs(8, 0));
  });

  it('offers the whole budget when nobody decodes, little when nothing is known, and always something', () => {
    const unknown = createCostModel();
    expect(promptTokensWithin(unknown, { ...question, decodeCount: 0, budgetTokens: 512 })).toBe(512);
    expect(promptTokensWithin(unknown, { ...question, budgetTokens: 512 })).toBe(64);
    expect(promptTokensWithin(learned(), { ...question, itlTargetMs: 1 })).toBe(4);
    expect(promptTokensWithin(learned(), { ...question, decodeCount: 20, budgetTokens: 20 })).toBe(0);
  });

  it('lets what one chunk size learns of a deeper context count for the others', () => {
    const model = learned();
    const before = promptTokensWithin(model, { ...question, itlTargetMs: 40 });
    // Ten steps with chunks of 16 tokens, each token 1 ms dearer than it was.
    for (let round = 0; round < 10; round++) {
      model.observe({ decodeCount: 8, promptTokenCount: 16 }, trueMs(8, 16) + 16);
    }
    const after = promptTokensWithin(model, { ...question, itlTargetMs: 40 });
    expect(before).toBeGreaterThan(64);
    expect(after).toBeLessThan(before / 2);
  });

  it('follows a machine that becomes slower', () => {
    const model = learned();
    for (let round = 0; round < 200; round++) {
      const decodeCount = 1 + (round % 16);
      model.observe({ decodeCount, promptTokenCount: 0 }, 3 * trueMs(decodeCount, 0));
      const promptTokenCount = 2 ** (3 + (round % 8));
      model.observe({ decodeCount, promptTokenCount }, 3 * trueMs(decodeCount, promptTokenCount));
    }
    expect(model.predictMs({ decodeCount: 8, promptTokenCount: 0 })).toBeGreaterThan(2.8 * trueMs(8, 0));
    expect(promptTokensWithin(model, { ...question, itlTargetMs: 80 })).toBeLessThan(
      promptTokensWithin(learned(), { ...question, itlTargetMs: 80 }) / 2,
    );
  });
});
