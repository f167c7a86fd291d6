// Whether costs are found again from the steps that a tuning run times.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { fitNonNegative } from '../../../src/kv/layout-model/least-squares.ts';
import { loadSpeed, ownCellsOf } from '../../../src/kv/layout-model/load-speed.ts';
import { fitCosts, type StepCosts, stepMs } from '../../../src/kv/layout-model/step-costs.ts';
import { layoutSizes, plannedSteps } from '../../../src/server/tune/layout-points.ts';
import { costsOf, cpuPool, loads } from './costs.ts';

const plans = loads
  .filter(({ streams }) => streams >= 4)
  .chain((load) => fc.record({ load: fc.constant(load), visitMs: fc.integer({ min: 20, max: 2000 }) }));

function sizesFor({ load, visitMs }: { readonly load: Parameters<typeof ownCellsOf>[0]; readonly visitMs: number }) {
  const wish = {
    load,
    visitMs,
    sequencesMax: 128,
    cellsMax: 262_144,
    microBatch: 512,
    stepMs: 50,
    promptMsPerToken: 1,
  };
  return layoutSizes(wish);
}

function refitted(costs: StepCosts, steps: ReturnType<typeof plannedSteps>): StepCosts {
  return fitCosts(
    costs.layout,
    steps.map(({ shape }) => ({ shape, ms: stepMs(costs, shape) })),
  );
}

for (const layout of ['per-sequence', 'pooled'] as const)
  test(`${layout}: every step that was timed is told exactly, and the load's own nearly`, () => {
    fc.assert(
      fc.property(costsOf(layout), plans, (costs, plan) => {
        const sizes = sizesFor(plan);
        fc.pre(sizes !== undefined && sizes.deepTokens >= 16);
        if (sizes === undefined) return;
        const steps = plannedSteps(layout, sizes);
        const known = {
          ...costs,
          sharedCell: sizes.trunkTokens > 0 && layout === 'pooled' ? costs.sharedCell : costs.ownCell,
        };
        const found = refitted(known, steps);
        for (const { shape } of steps) expect(stepMs(found, shape) / stepMs(known, shape)).toBeCloseTo(1, 2);
        for (const cost of Object.values(found)) if (typeof cost === 'number') expect(cost).toBeGreaterThanOrEqual(0);
        // Where the cache held the load's own depth, nothing is left to guess but chunks of another size.
        const { load } = plan;
        fc.pre(sizes.rows === load.streams && sizes.deepTokens === Math.round(load.sharedTokens + ownCellsOf(load)));
        const room = { atOnce: sizes.rows, keptCells: 0 };
        const [is, told] = [known, found].map((one) => loadSpeed(one, load, room).outputTokensPerSecond);
        expect((told ?? 0) / (is ?? 1)).toBeGreaterThan(0.8);
        expect((told ?? 0) / (is ?? 1)).toBeLessThan(1.25);
      }),
      { numRuns: 100, seed: 7 },
    );
  });

test('costs themselves are found where the steps tell them apart', () => {
  const load = { streams: 32, promptTokens: 256, outputTokens: 128, sharedTokens: 512 };
  const sizes = sizesFor({ load, visitMs: 200 });
  const found = refitted(cpuPool, plannedSteps('pooled', sizes ?? expect.fail('the cache holds this load')));
  expect(found.usedCellRow / cpuPool.usedCellRow).toBeCloseTo(1, 1);
  expect(found.ownCell / cpuPool.ownCell).toBeCloseTo(1, 1);
  expect(found.sharedCell / cpuPool.sharedCell).toBeCloseTo(1, 1);
  expect(found.promptToken / cpuPool.promptToken).toBeCloseTo(1, 1);
});

test('no cost is below nothing, and what nothing was seen of costs nothing', () => {
  const observations = [
    { amounts: [1, 1, 0], value: 10 },
    { amounts: [1, 2, 0], value: 9 },
    { amounts: [1, 3, 0], value: 8 },
  ];
  const [fixed, falling, unseen] = fitNonNegative(observations);
  expect(fixed).toBeGreaterThan(8);
  expect(fixed).toBeLessThan(10);
  expect([falling, unseen]).toEqual([0, 0]);
});

test('times that no number comes of end, without one', () => {
  expect(fitNonNegative([{ amounts: [1, 2], value: Number.MIN_VALUE }])).toEqual([Number.NaN, Number.NaN]);
});
