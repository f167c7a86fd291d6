import { describe, expect, it } from 'vitest';
import { createCostModel, promptTokensWithin } from '../../src/scheduler/cost-model.ts';

/** A machine that takes 5 ms a step, 0.5 ms a decoding sequence, 0.2 ms a prompt token and more with its position. */
function trueMs(decodeCount: number, promptTokenCount: number, promptPosition: number): number {
  return 5 + 0.5 * decodeCount + promptTokenCount * (0.2 + 0.0001 * promptPosition);
}

function learned() {
  const model = createCostModel();
  for (let round = 0; round < 200; round++) {
    const decodeCount = 1 + (round % 16);
    model.observe({ decodeCount, promptTokenCount: 0, promptPosition: 0 }, trueMs(decodeCount, 0, 0));
    const promptPosition = (round % 20) * 100;
    model.observe({ decodeCount, promptTokenCount: 64, promptPosition }, trueMs(decodeCount, 64, promptPosition));
  }
  return model;
}

describe('cost model', () => {
  it('learns a machine within 5 % from mixed steps', () => {
    const model = learned();
    for (const [decodeCount, promptTokenCount, promptPosition] of [
      [1, 0, 0],
      [16, 0, 0],
      [8, 128, 500],
      [4, 32, 1800],
    ] as const) {
      const expected = trueMs(decodeCount, promptTokenCount, promptPosition);
      const predicted = model.predictMs({ decodeCount, promptTokenCount, promptPosition }) ?? 0;
      expect(Math.abs(predicted - expected) / expected).toBeLessThan(0.05);
    }
  });

  it('chooses the chunk that just meets an explicit target', () => {
    const count = promptTokensWithin(learned(), {
      decodeCount: 8,
      promptPosition: 1000,
      itlTargetMs: 30,
      queueMs: 60_000,
      budgetTokens: 2048,
    });
    expect(trueMs(8, count, 1000)).toBeLessThan(31);
    expect(trueMs(8, count + 8, 1000)).toBeGreaterThan(29);
  });

  it('without a target keeps a step under twice the quiet one', () => {
    const count = promptTokensWithin(learned(), {
      decodeCount: 8,
      promptPosition: 0,
      itlTargetMs: 0,
      queueMs: 0,
      budgetTokens: 2048,
    });
    expect(trueMs(8, count, 0)).toBeLessThan(2 * trueMs(8, 0, 0) * 1.05);
    expect(count).toBeGreaterThan(30);
  });

  it('without a target gives prompts more the longer the queue has waited, within a limit', () => {
    const ask = (queueMs: number) =>
      promptTokensWithin(learned(), { decodeCount: 8, promptPosition: 0, itlTargetMs: 0, queueMs, budgetTokens: 1e6 });
    expect(ask(10_000)).toBeGreaterThan(3 * ask(0));
    expect(ask(1e9)).toBeLessThan(10 * ask(0));
  });

  it('offers the whole budget when nobody decodes, little when nothing is known, and always something', () => {
    const unknown = createCostModel();
    expect(
      promptTokensWithin(unknown, { decodeCount: 0, promptPosition: 0, itlTargetMs: 1, queueMs: 0, budgetTokens: 512 }),
    ).toBe(512);
    expect(
      promptTokensWithin(unknown, { decodeCount: 4, promptPosition: 0, itlTargetMs: 1, queueMs: 0, budgetTokens: 512 }),
    ).toBe(64);
    expect(
      promptTokensWithin(learned(), {
        decodeCount: 4,
        promptPosition: 0,
        itlTargetMs: 1,
        queueMs: 0,
        budgetTokens: 512,
      }),
    ).toBe(16);
    expect(
      promptTokensWithin(learned(), {
        decodeCount: 20,
        promptPosition: 0,
        itlTargetMs: 1,
        queueMs: 0,
        budgetTokens: 20,
      }),
    ).toBe(0);
  });

  it('follows a machine that becomes slower', () => {
    const model = learned();
    for (let round = 0; round < 200; round++) {
      const decodeCount = 1 + (round % 16);
      model.observe({ decodeCount, promptTokenCount: 0, promptPosition: 0 }, 3 * trueMs(decodeCount, 0, 0));
    }
    const predicted = model.predictMs({ decodeCount: 8, promptTokenCount: 0, promptPosition: 0 }) ?? 0;
    expect(predicted).toBeGreaterThan(2.8 * trueMs(8, 0, 0));
  });
});
