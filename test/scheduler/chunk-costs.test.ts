import { describe, expect, it } from 'vitest';
import { createChunkCosts } from '../../src/scheduler/chunk-costs.ts';

/** A machine whose chunks cost a pass over the weights, and tokens that are dearer the deeper they lie. */
function trueMs({ tokens, depth }: { tokens: number; depth: number }): number {
  return 7 + tokens * (1.6 + 0.0043 * depth);
}

function learned() {
  const costs = createChunkCosts();
  for (let round = 0; round < 600; round++) {
    const chunk = { tokens: 2 ** (2 + (round % 7)), depth: (round * 37) % 4000 };
    costs.observe(chunk, trueMs(chunk));
  }
  return costs;
}

describe('chunk costs', () => {
  it('know nothing at first', () => {
    const costs = createChunkCosts();
    expect(costs.tokenMs({ tokens: 64, depth: 0 })).toBeUndefined();
    expect(costs.largestWithin(1e6, 0)).toBe(0);
    expect(costs.chunkWithFixedShare(0.5, 0)).toBe(0);
  });

  it('tell the size of a chunk from the depth of its tokens', () => {
    const costs = learned();
    for (const tokens of [4, 32, 256]) {
      for (const depth of [0, 1000, 3900]) {
        const expected = trueMs({ tokens, depth }) / tokens;
        expect((costs.tokenMs({ tokens, depth }) ?? 0) / expected).toBeCloseTo(1, 1);
      }
    }
  });

  it('know a depth never seen from the ones before it', () => {
    const costs = createChunkCosts();
    for (let depth = 0; depth < 2000; depth += 16) costs.observe({ tokens: 16, depth }, trueMs({ tokens: 16, depth }));
    const deep = { tokens: 16, depth: 4000 };
    const ratio = (costs.tokenMs(deep) ?? 0) / (trueMs(deep) / 16);
    expect(ratio).toBeGreaterThan(0.75);
    expect(ratio).toBeLessThan(1.1);
  });

  it('find the largest chunk within a time', () => {
    const tokens = learned().largestWithin(100, 0);
    expect(trueMs({ tokens, depth: 0 })).toBeLessThan(110);
    expect(tokens).toBeGreaterThan(48);
  });

  it('find the chunk that is worth its fixed part: a smaller one where each token is dear', () => {
    const costs = learned();
    for (const depth of [0, 1000, 4000]) {
      const expected = 7 / (0.5 * (1.6 + 0.0043 * depth));
      expect(Math.abs(costs.chunkWithFixedShare(0.5, depth) - expected)).toBeLessThan(2);
    }
  });

  it('follow a machine that got slower, in sizes that were not used since too', () => {
    const costs = learned();
    const before = costs.tokenMs({ tokens: 256, depth: 0 }) ?? 0;
    for (let round = 0; round < 10; round++)
      costs.observe({ tokens: 16, depth: 0 }, trueMs({ tokens: 16, depth: 0 }) + 32);
    expect(costs.tokenMs({ tokens: 256, depth: 0 })).toBeGreaterThan(before + 1);
  });
});
