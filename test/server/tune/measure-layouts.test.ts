// Measuring and weighing KV layouts on a machine whose costs are known: what is chosen, and how often noise decides.

import { expect, test } from 'vitest';
import type { KvLayout } from '../../../src/kernel-port.ts';
import type { CacheSize } from '../../../src/kv/layout-model/room.ts';
import { type StepCosts, stepMs } from '../../../src/kv/layout-model/step-costs.ts';
import type { ExpectedLoad } from '../../../src/kv/layout-model/types.ts';
import { weighLayouts } from '../../../src/server/engine/weigh-layouts.ts';
import { cellsNeeded, layoutSizes, plannedSteps, unsizedReason } from '../../../src/server/tune/layout-points.ts';
import { type LayoutMachine, measureLayouts } from '../../../src/server/tune/measure-layouts.ts';
import { cpuPool, cpuSlabs } from '../../kv/layout-model/costs.ts';
import { createRandom } from './fake-machine.ts';

interface FakeLayouts {
  readonly machine: LayoutMachine;
  readonly openCount: () => number;
}

function fakeLayouts(costs: Readonly<Record<KvLayout, StepCosts>>, noise: number, seed: number): FakeLayouts {
  const random = createRandom(seed);
  const normal = (): number => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  let nowMs = 0;
  let openCount = 0;
  const open: LayoutMachine['open'] = async (layout) => {
    openCount += 1;
    return {
      enter: () => undefined,
      async time({ shape }) {
        const ms = stepMs(costs[layout], shape) * Math.exp(noise * normal());
        nowMs += 4 * ms;
        return ms;
      },
      close() {
        openCount -= 1;
      },
    };
  };
  return { machine: { now: () => nowMs, open }, openCount: () => openCount };
}

const unshared: ExpectedLoad = { streams: 32, promptTokens: 64, outputTokens: 64, sharedTokens: 0 };
const shared: ExpectedLoad = { streams: 32, promptTokens: 32, outputTokens: 512, sharedTokens: 2048 };

const cache = { cellCount: 131_072, sequencesMax: 32, cacheSeqCount: 255, evictsKept: true };
const caches: Readonly<Record<KvLayout, CacheSize>> = {
  pooled: { ...cache, layout: 'pooled' },
  'per-sequence': { ...cache, layout: 'per-sequence' },
};

function sizesFor(load: ExpectedLoad) {
  const wish = { load, sequencesMax: 32, cellsMax: 131_072, microBatch: 512, visitMs: 200, stepMs: 70 };
  return layoutSizes({ ...wish, promptMsPerToken: 1.6 }) ?? expect.fail('the cache holds this load');
}

async function weighed(load: ExpectedLoad, costs: Readonly<Record<KvLayout, StepCosts>>, noise: number, seed: number) {
  const { machine, openCount } = fakeLayouts(costs, noise, seed);
  const limits = { sizes: sizesFor(load), deadlineMs: Number.POSITIVE_INFINITY, onRound: () => undefined };
  const steps = await measureLayouts(machine, limits);
  expect(openCount()).toBe(0);
  return weighLayouts({ load, noise: Math.max(noise, 0.01), steps }, caches);
}

const cpu = { pooled: cpuPool, 'per-sequence': cpuSlabs };

test('of two cores slabs are chosen for unique requests, and the pool for long shared prefixes with long answers', async () => {
  for (let seed = 1; seed <= 8; seed++) {
    expect(await weighed(unshared, cpu, 0.03, seed)).toMatchObject({ faster: 'per-sequence' });
    expect(await weighed(shared, cpu, 0.03, seed)).toMatchObject({ faster: 'pooled' });
  }
  const { text, speeds } = await weighed(unshared, cpu, 0, 1);
  expect(text).toMatch(
    /^for 32 streams of 64 \+ 64 tokens slabs are to give [\d,.]+ output tok\/s and the pool [\d,.]+ \(beside 9,375 cells of kept prefixes\), 0\.\d\d ± 0\.\d\d times as many$/,
  );
  expect(speeds.pooled).toBeLessThan(speeds['per-sequence']);
});

test('where both cost the same, noise alone hardly ever decides', async () => {
  const same = { pooled: { ...cpuSlabs, layout: 'pooled' } as const, 'per-sequence': cpuSlabs };
  let decided = 0;
  for (let seed = 1; seed <= 60; seed++) {
    const { faster } = await weighed(unshared, same, 0.01 + 0.003 * seed, seed);
    if (faster !== undefined) decided += 1;
  }
  expect(decided).toBeLessThanOrEqual(2);
});

test('a machine that is slower in some rounds as a whole is no less certain', async () => {
  const { machine } = fakeLayouts(cpu, 0, 1);
  const limits = { sizes: sizesFor(shared), deadlineMs: Number.POSITIVE_INFINITY, onRound: () => undefined };
  const steps = await measureLayouts(machine, limits);
  const drift = (ms: readonly number[]) => ms.map((time, round) => time * (1 + 0.3 * (round % 3)));
  const drifted = {
    pooled: steps.pooled.map((step) => ({ ...step, ms: drift(step.ms) })),
    'per-sequence': steps['per-sequence'].map((step) => ({ ...step, ms: drift(step.ms) })),
  };
  const ratioOf = (given: typeof steps) =>
    weighLayouts({ load: shared, noise: 0.01, steps: given }, caches).text.split('prefixes), ')[1];
  expect(ratioOf(steps)).toMatch(/^1\.\d\d ± 0\.0\d times as many$/);
  expect(ratioOf(drifted)).toBe(ratioOf(steps));
});

test('a deadline leaves one round, which decides nothing', async () => {
  const { machine } = fakeLayouts(cpu, 0, 1);
  const steps = await measureLayouts(machine, { sizes: sizesFor(unshared), deadlineMs: 0, onRound: () => undefined });
  expect(steps.pooled.map(({ ms }) => ms.length)).toEqual(steps.pooled.map(() => 1));
  expect(weighLayouts({ load: unshared, noise: 0.01, steps }, caches).faster).toBeUndefined();
});

test('a kernel that cannot be had leaves none open', async () => {
  const { machine, openCount } = fakeLayouts(cpu, 0, 1);
  const broken: LayoutMachine = {
    ...machine,
    open: (layout) => (layout === 'pooled' ? Promise.reject(new Error('no room')) : machine.open(layout)),
  };
  const limits = { sizes: sizesFor(unshared), deadlineMs: 0, onRound: () => undefined };
  await expect(measureLayouts(broken, limits)).rejects.toThrow('no room');
  expect(openCount()).toBe(0);
});

test('what is timed fits the caches that are made for it, and a cache too small for anything is told', () => {
  for (const cellsMax of [512, 1024, 4096, 32_768, 1_048_576])
    for (const load of [unshared, shared, { ...unshared, streams: 1 }, { ...shared, promptTokens: 1 }]) {
      const wish = { load, cellsMax, sequencesMax: 32, microBatch: 512, visitMs: 100, stepMs: 30, promptMsPerToken: 1 };
      const sizes = layoutSizes(wish);
      if (sizes === undefined) {
        expect(cellsMax).toBeLessThan(32_768);
        continue;
      }
      for (const { shape } of plannedSteps('pooled', sizes)) {
        expect(shape.usedCells).toBeLessThanOrEqual(cellsNeeded('pooled', sizes));
        expect(shape.rows + shape.promptTokens).toBeLessThanOrEqual(512);
      }
      expect(cellsNeeded('per-sequence', sizes) / sizes.rows).toBeGreaterThan(sizes.deepTokens + sizes.stepCount);
      expect(cellsNeeded('per-sequence', sizes)).toBeLessThanOrEqual(cellsMax);
      expect(cellsNeeded('pooled', sizes)).toBeLessThanOrEqual(cellsMax + sizes.chunkTokens + 256);
    }
  expect(layoutSizes({ ...wishOf(64), cellsMax: 512 })).toBeUndefined();
});

test('what stands in the way of sizes is told, and not called the cache', () => {
  const wish = { ...wishOf(64), cellsMax: 131_072 };
  expect(layoutSizes(wish)).toBeDefined();
  const brief = { ...wish, load: { ...unshared, promptTokens: 1, outputTokens: 2 } };
  for (const [blocked, reason] of [
    [{ ...wish, microBatch: 32 }, /^--micro-batch and --step-tokens must be >= 66 .* beside 64 rows\. Given: 32$/],
    [brief, /^requests must hold 4 tokens or more.*Given: 2$/],
    [{ ...wish, cellsMax: 512 }, /^the cache is too small/],
  ] as const) {
    expect(layoutSizes(blocked)).toBeUndefined();
    expect(unsizedReason(blocked)).toMatch(reason);
  }
});

function wishOf(streams: number) {
  const load = { ...unshared, streams };
  return { load, sequencesMax: 64, microBatch: 512, visitMs: 100, stepMs: 30, promptMsPerToken: 1 };
}
