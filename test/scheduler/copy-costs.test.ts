// What copies to and from host memory are expected to take.

import { expect, it } from 'vitest';
import { createCopyCosts } from '../../src/scheduler/copy-costs.ts';

it('copies are expected to take what they took lately, each way for itself', () => {
  const costs = createCopyCosts();
  expect(costs.ms('save', 1e6)).toBeCloseTo(1);
  costs.observe('save', 1e6, 10);
  expect(costs.ms('save', 2e6)).toBeCloseTo(20);
  // The other way is taken to be alike until it is known.
  expect(costs.ms('restore', 1e6)).toBeCloseTo(10);
  costs.observe('restore', 1e6, 1);
  expect(costs.ms('restore', 1e6)).toBeCloseTo(1);
  for (let copy = 0; copy < 20; copy++) costs.observe('save', 1e6, 30);
  expect(costs.ms('save', 1e6)).toBeGreaterThan(29);
  costs.observe('save', 0, 5);
  expect(costs.ms('save', 1e6)).toBeLessThanOrEqual(30);
});

it('a single slow copy is not believed for ever', () => {
  const costs = createCopyCosts();
  costs.observe('save', 1e6, 1000);
  for (let count = 0; count < 300; count++) costs.decline();
  expect(costs.ms('save', 1e6)).toBeLessThan(5);
});

it('a copy beside steps is told to take no longer, and never to take more', () => {
  const costs = createCopyCosts();
  costs.observeMost('save', 1000, 1e9);
  const unmeasured = createCopyCosts().ms('save', 1000);
  expect(costs.ms('save', 1000)).toBe(unmeasured);
  costs.observeMost('save', 1000, unmeasured / 2);
  expect(costs.ms('save', 1000)).toBe(unmeasured / 2);
  costs.observeMost('save', 1000, unmeasured);
  expect(costs.ms('save', 1000)).toBe(unmeasured / 2);
});
