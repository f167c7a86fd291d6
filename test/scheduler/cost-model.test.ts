import { describe, expect, it } from 'vitest';
import { learnedCosts, trueMs } from './learned-costs.ts';

describe('cost model', () => {
  it('learns a machine within 5 %, though its chunks have a fixed cost', () => {
    const model = learnedCosts();
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
