// A cost model that has learned a machine, for tests of what it predicts and of what is decided by it.

import { type CostModel, createCostModel } from '../../src/scheduler/cost-model.ts';

/** A machine that takes 5 ms a step, 0.5 ms a decoding sequence; a chunk costs 6 ms and 0.2 ms a token. */
export function trueMs(decodeCount: number, promptTokenCount: number): number {
  return 5 + 0.5 * decodeCount + (promptTokenCount === 0 ? 0 : 6 + promptTokenCount * 0.2);
}

export function learnedCosts(): CostModel {
  const model = createCostModel();
  for (let round = 0; round < 400; round++) {
    const decodeCount = 1 + (round % 16);
    model.observe({ decodeCount, promptTokenCount: 0, promptDepth: 0 }, trueMs(decodeCount, 0));
    const promptTokenCount = 2 ** (3 + (round % 8));
    model.observe({ decodeCount, promptTokenCount, promptDepth: 0 }, trueMs(decodeCount, promptTokenCount));
  }
  return model;
}
