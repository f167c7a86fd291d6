import { expect, test } from 'vitest';
import { createRandom, exponentialMs, mixSeed } from '../../bench/random.ts';

test('the same seed gives the same numbers, another seed others', () => {
  const draw = (seed: number): number[] => Array.from({ length: 5 }, createRandom(seed));
  expect(draw(7)).toEqual(draw(7));
  expect(draw(7)).not.toEqual(draw(8));
});

test('numbers are spread evenly over [0, 1)', () => {
  const random = createRandom(1);
  const counts = new Array<number>(10).fill(0);
  for (let index = 0; index < 10_000; index++) {
    const bucket = Math.floor(random() * 10);
    counts[bucket] = (counts[bucket] ?? Number.NaN) + 1;
  }
  expect(Math.min(...counts)).toBeGreaterThan(850);
  expect(Math.max(...counts)).toBeLessThan(1150);
});

test('waiting times average to the rate, and vary as much as their mean', () => {
  const random = createRandom(2);
  const times = Array.from({ length: 20_000 }, () => exponentialMs(random, 50));
  const meanMs = times.reduce((total, time) => total + time, 0) / times.length;
  const spreadMs = Math.sqrt(times.reduce((total, time) => total + (time - meanMs) ** 2, 0) / times.length);
  expect(meanMs).toBeCloseTo(20, 0);
  expect(spreadMs / meanMs).toBeCloseTo(1, 1);
});

test('a mixed seed depends on every part and on their order', () => {
  const seeds = [mixSeed(1, 2, 3), mixSeed(3, 2, 1), mixSeed(1, 2), mixSeed(1, 2, 4), mixSeed(0, 0), mixSeed(0)];
  expect(new Set(seeds).size).toBe(seeds.length);
});
