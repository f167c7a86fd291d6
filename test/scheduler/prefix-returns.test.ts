import { describe, expect, it } from 'vitest';
import { createPrefixReturns } from '../../src/scheduler/prefix-returns.ts';

describe('the share of prefixes that return', () => {
  it('is all at first, falls while none returns, and rises again when some do', () => {
    const returns = createPrefixReturns();
    expect(returns.share()).toBe(1);
    for (let count = 0; count < 1000; count++) returns.left();
    expect(returns.share()).toBeLessThan(0.01);
    for (let count = 0; count < 200; count++) {
      returns.left();
      returns.returned({}, 1);
    }
    expect(returns.share()).toBeGreaterThan(0.5);
  });

  it('is never above one, however often a prefix is copied back', () => {
    const returns = createPrefixReturns();
    for (let count = 0; count < 100; count++) returns.returned({}, 1);
    expect(returns.share()).toBe(1);
  });

  it('does not rise by a beginning that returns again and again while nothing else does', () => {
    const returns = createPrefixReturns();
    const shared = {};
    for (let count = 0; count < 500; count++) {
      returns.left();
      returns.returned(shared, 0.2);
    }
    expect(returns.share()).toBeLessThan(0.02);
    returns.returned(shared, 0.9);
    const half = returns.share();
    returns.returned(shared, 0.5);
    expect(returns.share()).toBe(half);
  });

  it('rises by what is wanted of each', () => {
    const returns = createPrefixReturns();
    for (let count = 0; count < 2000; count++) {
      returns.left();
      returns.returned({}, 0.25);
    }
    expect(returns.share()).toBeCloseTo(0.25, 2);
  });

  it('tries one of 32 copies that do not seem to pay', () => {
    const returns = createPrefixReturns();
    const tried = Array.from({ length: 320 }, () => returns.tries()).filter(Boolean);
    expect(tried.length).toBe(10);
  });
});
