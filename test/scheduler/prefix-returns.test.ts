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
      returns.returned();
    }
    expect(returns.share()).toBeGreaterThan(0.5);
  });

  it('is never above one, however often a prefix is copied back', () => {
    const returns = createPrefixReturns();
    for (let count = 0; count < 100; count++) returns.returned();
    expect(returns.share()).toBe(1);
  });

  it('tries one of 32 copies that do not seem to pay', () => {
    const returns = createPrefixReturns();
    const tried = Array.from({ length: 320 }, () => returns.tries()).filter(Boolean);
    expect(tried.length).toBe(10);
  });
});
