// The search against machines whose optimum is known.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { candidateCount, candidatesFor } from '../../../src/server/tune/candidates.ts';
import { isTouched, type Load, loadsFor } from '../../../src/server/tune/loads.ts';
import { type SearchResult, search } from '../../../src/server/tune/search.ts';
import { type Knob, knobs, type SpeedValues } from '../../../src/server/tune/speed-values.ts';
import { baseCost, createFakeMachine, defaults, type FakeMachine, type FakeOptions } from './fake-machine.ts';

const loads = loadsFor(32);
const steps = candidatesFor({
  defaults,
  loads,
  coreCount: 8,
  sequencesMax: 32,
  kvTypes: { k: 'f16', v: 'f16' },
  fixed: [],
  promptTokens: 4096,
  promptMsPerToken: 0.2,
});

async function tune(options: FakeOptions, msMax = 120_000): Promise<{ result: SearchResult; machine: FakeMachine }> {
  const machine = createFakeMachine(options);
  const limits = { startedMs: machine.now(), msMax, onProgress: () => undefined };
  return { machine, result: await search(machine, { defaults, loads, knobs: steps }, limits) };
}

/** Costs by what each knob's value does to the loads that it touches. */
function costs(factors: { readonly [K in Knob]?: (value: SpeedValues[K], load: Load) => number }) {
  const factorOf = <K extends Knob>(knob: K, values: SpeedValues, load: Load): number =>
    isTouched(load, knob) ? (factors[knob]?.(values[knob], load) ?? 1) : 1;
  return (load: Load, values: SpeedValues): number =>
    knobs.reduce((cost, knob) => cost * factorOf(knob, values, load), baseCost(load));
}

describe('search', () => {
  test('finds what is faster, knob by knob, and says by how much', async () => {
    const costOf = costs({
      threads: (count) => 1 + 0.1 * Math.abs(count - 4),
      microBatch: (size) => 1 + 0.1 * Math.abs(Math.log2(size / 1024)),
    });
    const { result } = await tune({ seed: 1, noise: 0.01, costOf });
    expect(result.tuned).toEqual({ ...defaults, threads: 4, microBatch: 1024 });
    expect(result.confirmation?.verdict).toBe('better');
    const lone = result.confirmation?.estimates.get('decode-1');
    expect(Math.exp(lone?.log ?? 0)).toBeCloseTo(1 / 1.4, 1);
  });

  test('keeps the defaults where they are best, and leaves a direction after a loss', async () => {
    const { result } = await tune({ seed: 2, noise: 0.01, costOf: costs({ threads: (count) => 8 / count }) });
    expect(result.tuned).toEqual(defaults);
    expect(result.confirmation).toBeUndefined();
    const tried = result.trials.filter(({ knob }) => knob === 'threads');
    expect(tried).toMatchObject([{ value: 7, verdict: 'worse' }]);
    expect(candidateCount(steps)).toBeGreaterThan(result.trials.length);
  });

  test('a gain in prompts that costs decoding is none', async () => {
    const trade = (count: number, load: Load): number => (count === 8 ? 1 : load.kind === 'prompt' ? 0.5 : 1.1);
    const { result } = await tune({ seed: 3, noise: 0.01, costOf: costs({ batchThreads: trade }) });
    expect(result.tuned).toEqual(defaults);
  });

  test('what harms a load that it was not made for is taken back by the last race', async () => {
    const costOf = (load: Load, { microBatch }: SpeedValues): number => {
      const factor = microBatch === 512 ? 1 : load.kind === 'prompt' ? 0.8 : 1.1;
      return baseCost(load) * factor;
    };
    const { result } = await tune({ seed: 4, noise: 0.01, costOf });
    expect(result.confirmation).toMatchObject({ verdict: 'worse' });
    expect(result.tuned).toEqual(defaults);
  });

  test('goes past what cannot be had', async () => {
    const costOf = costs({ microBatch: (size) => 512 / size });
    const refuses = ({ microBatch }: SpeedValues) => microBatch > 1024;
    const { result, machine } = await tune({ seed: 5, noise: 0.01, costOf, refuses });
    expect(result.tuned.microBatch).toBe(1024);
    expect(result.trials).toContainEqual(
      expect.objectContaining({ value: 2048, verdict: 'refused', reason: 'no room' }),
    );
    expect(machine.openCount()).toBe(0);
    await expect(tune({ seed: 5, noise: 0.01, costOf, refuses: () => true })).rejects.toThrow('no room');
  });

  const machines = fc.record({
    seed: fc.integer({ min: 0, max: 2 ** 31 }),
    noise: fc.constantFrom(0.003, 0.02, 0.06, 0.2),
    stallChance: fc.constantFrom(0, 0.05),
    factors: fc.array(fc.double({ min: 0.75, max: 1.4, noNaN: true }), { minLength: 24, maxLength: 24 }),
    msMax: fc.constantFrom(3000, 20_000, 120_000),
  });

  test('is never slower than the defaults beyond noise, ends in time, and closes what it opened', async () => {
    await fc.assert(
      fc.asyncProperty(machines, async ({ seed, noise, stallChance, factors, msMax }) => {
        // Each knob and load has a factor of its own for every value besides the default.
        const costOf = (load: Load, values: SpeedValues): number =>
          knobs.reduce((cost, knob, index) => {
            if (values[knob] === defaults[knob] || !isTouched(load, knob)) return cost;
            return cost * (factors[(4 * index + loads.indexOf(load)) % factors.length] ?? 1);
          }, baseCost(load));
        const { result, machine } = await tune({ seed, noise, stallChance, costOf }, msMax);
        for (const load of loads)
          expect(costOf(load, result.tuned) / costOf(load, defaults)).toBeLessThan(1.05 + noise);
        // A round of all loads, its opening included, is the most that it may be late by; stalled timings are longer.
        const roundMs = 2 * loads.reduce((sum, load) => sum + 10 * baseCost(load), 0);
        expect(machine.now()).toBeLessThan(Math.max(msMax, roundMs) + 4 * roundMs);
        expect(machine.openCount()).toBe(0);
        expect(machine.openMax()).toBeLessThanOrEqual(2);
      }),
      { numRuns: 400, seed: 20_261_126 },
    );
  });

  test('finds a clear optimum on any noise of a few percent', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.record({ seed: fc.integer(), best: fc.constantFrom(1, 2, 4, 6), noise: fc.constantFrom(0.005, 0.03) }),
        async ({ seed, best, noise }) => {
          const costOf = costs({ threads: (count) => 1 + 0.3 * Math.abs(Math.log2(count / best)) });
          const { result } = await tune({ seed, noise, costOf });
          const gain =
            costOf(loads[0] ?? { kind: 'prompt' }, defaults) / costOf(loads[0] ?? { kind: 'prompt' }, result.tuned);
          expect(gain).toBeGreaterThan(best === 6 ? 1.04 : 1.2);
        },
      ),
      { numRuns: 100, seed: 20_261_126 },
    );
  });
});
