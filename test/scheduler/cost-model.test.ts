import { describe, expect, it } from 'vitest';
import { createCostModel } from '../../src/scheduler/cost-model.ts';

/** A machine that takes 5 ms a step, 0.5 ms a decoding sequence; a chunk costs 6 ms and 0.2 ms a token. */
function trueMs(decodeCount: number, promptTokenCount: number): number {
  return 5 + 0.5 * decodeCount + (promptTokenCount === 0 ? 0 : 6 + promptTokenCount * 0.2);
}

function learned() {
  const model = createCostModel();
  for (let round = 0; round < 400; round++) {
    const decodeCount = 1 + (round % 16);
    model.observe({ decodeCount, promptTokenCount: 0, promptDepth: 0 }, trueMs(decodeCount, 0));
    const promptTokenCount = 2 ** (3 + (round % 8));
    model.observe({ decodeCount, promptTokenCount, promptDepth: 0 }, trueMs(decodeCount, promptTokenCount));
  }
  return model;
}

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
      const predicted = model.predictMs({ decodeCount, promptTokenCount, promptDepth: 0 }) ?? 0;
      expect(Math.abs(predicted - expected) / expected).toBeLessThan(0.05);
    }
  });
});
