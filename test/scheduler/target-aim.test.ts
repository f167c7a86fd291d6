import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createRandom } from '../../bench/random.ts';
import { createTargetAim } from '../../src/scheduler/target-aim.ts';

const targetMs = 200;

/** Steps that take what was planned, times a bias and an even noise; answers which of the last half were late. */
function lateShareOf({ bias, noise, seed }: { bias: number; noise: number; seed: number }): number {
  const aim = createTargetAim();
  const random = createRandom(seed);
  const stepCount = 4000;
  let lateCount = 0;
  for (let step = 0; step < stepCount; step++) {
    const stepMs = aim.plannedMs(targetMs) * bias * (1 + noise * (2 * random() - 1));
    aim.observe(stepMs, targetMs);
    if (step >= stepCount / 2 && stepMs > targetMs) lateCount += 1;
  }
  return lateCount / (stepCount / 2);
}

describe('the aim below an inter-token target', () => {
  it('keeps all but a few steps within the target, whatever the bias and noise of the estimates', () => {
    const machine = fc.record({
      bias: fc.double({ min: 0.9, max: 1.4, noNaN: true }),
      noise: fc.double({ min: 0.01, max: 0.25, noNaN: true }),
      seed: fc.integer({ min: 1, max: 1e6 }),
    });
    fc.assert(
      fc.property(machine, (drawn) => {
        expect(lateShareOf(drawn)).toBeLessThan(0.02);
      }),
      { numRuns: 30 },
    );
  });

  it('gives nothing away where estimates hold', () => {
    expect(lateShareOf({ bias: 0.98, noise: 0.01, seed: 1 })).toBe(0);
    const aim = createTargetAim();
    for (let step = 0; step < 2000; step++) aim.observe(0.98 * aim.plannedMs(targetMs), targetMs);
    expect(aim.plannedMs(targetMs)).toBe(targetMs);
  });

  it('learns nothing from steps that had little to read or stalled, and ignores an absent target', () => {
    const aim = createTargetAim();
    const before = aim.plannedMs(targetMs);
    for (let step = 0; step < 1000; step++) {
      aim.observe(0.5 * before, targetMs);
      aim.observe(9 * before, targetMs);
    }
    expect(aim.plannedMs(targetMs)).toBe(before);
    aim.observe(5, 0);
    expect(aim.plannedMs(0)).toBe(0);
  });

  it('plans for half at least, and forgets a bad minute after 512 steps', () => {
    const aim = createTargetAim();
    for (let step = 0; step < 25; step++) aim.observe(1.99 * aim.plannedMs(targetMs), targetMs);
    expect(aim.plannedMs(targetMs)).toBeCloseTo(targetMs / 1.99, 6);
    for (let step = 0; step < 511; step++) aim.observe(aim.plannedMs(targetMs), targetMs);
    expect(aim.plannedMs(targetMs)).toBe(targetMs);
  });
});
