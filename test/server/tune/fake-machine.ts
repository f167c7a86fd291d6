// A machine whose true costs are known: timings are those times noise, and take their time on a clock of its own.

import { type Load, type LoadName, loadName } from '../../../src/server/tune/loads.ts';
import type { Opened, TuningMachine } from '../../../src/server/tune/race.ts';
import type { SpeedValues } from '../../../src/server/tune/speed-values.ts';

export interface FakeMachine extends TuningMachine {
  /** Without noise. */
  costOf(load: Load, values: SpeedValues): number;
  readonly openCount: () => number;
  /** Most runners that were open at once. */
  readonly openMax: () => number;
}

export interface FakeOptions {
  readonly seed: number;
  /** Standard deviation of the logarithm of a timing. */
  readonly noise: number;
  /** Chance that a timing takes three times as long: a neighbour had the core. */
  readonly stallChance?: number;
  readonly costOf: (load: Load, values: SpeedValues) => number;
  readonly refuses?: (values: SpeedValues) => boolean;
  /** Steps of a visit. */
  readonly steps?: number;
}

export function createFakeMachine(options: FakeOptions): FakeMachine {
  const { costOf, noise, stallChance = 0, steps = 10 } = options;
  const random = createRandom(options.seed);
  let nowMs = 0;
  let openCount = 0;
  let openMax = 0;
  const normal = (): number => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  return {
    now: () => nowMs,
    costOf,
    openCount: () => openCount,
    openMax: () => openMax,
    async open(values): Promise<Opened> {
      if (options.refuses?.(values)) return { kind: 'refused', reason: 'no room' };
      openCount += 1;
      openMax = Math.max(openMax, openCount);
      nowMs += 50;
      return {
        kind: 'opened',
        runner: {
          async visit(load) {
            const stall = random() < stallChance ? 3 : 1;
            const cost = costOf(load, values) * Math.exp(noise * normal()) * stall;
            nowMs += cost * steps;
            return cost;
          },
          close() {
            openCount -= 1;
          },
        },
      };
    },
  };
}

export function createRandom(seed: number): () => number {
  let state = (seed ^ 0x9e37_79b9) >>> 0;
  return () => {
    state = (state + 0x6d2b_79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export const defaults: SpeedValues = {
  threads: 8,
  batchThreads: 8,
  samplingThreads: 8,
  microBatch: 512,
  stepTokens: 2048,
  flashAttention: 'auto',
};

/** Costs of the defaults, in milliseconds. */
export const baseCosts: Readonly<Record<LoadName, number>> = {
  'decode-1': 8,
  'decode-8': 20,
  'decode-32': 40,
  prompt: 1,
};

export function baseCost(load: Load): number {
  return baseCosts[loadName(load)] ?? 1;
}
