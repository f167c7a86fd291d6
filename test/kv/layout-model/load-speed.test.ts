// What the model says of loads: laws that hold whatever the costs, and the machines whose loads were measured end to end.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { loadSpeed, ownCellsOf } from '../../../src/kv/layout-model/load-speed.ts';
import { type CacheSize, roomFor } from '../../../src/kv/layout-model/room.ts';
import type { StepCosts } from '../../../src/kv/layout-model/step-costs.ts';
import { costsOf, cpuPool, cpuSlabs, loads } from './costs.ts';

const runs = { numRuns: 200, seed: 11 };
const speed = (...given: Parameters<typeof loadSpeed>): number => loadSpeed(...given).outputTokensPerSecond;
const rooms = fc.record({ atOnce: fc.integer({ min: 1, max: 256 }), keptCells: fc.integer({ min: 0, max: 200_000 }) });

test('a machine that takes twice as long for everything serves half as much', () => {
  fc.assert(
    fc.property(costsOf('pooled'), loads, rooms, (costs, load, room) => {
      const { layout, ...numbers } = costs;
      const slow = Object.fromEntries(Object.entries(numbers).map(([name, cost]) => [name, 2 * cost]));
      expect(speed({ ...costs, ...slow }, load, room) / speed(costs, load, room)).toBeCloseTo(0.5, 3);
    }),
    runs,
  );
});

test('each cost that grows makes the load slower, or leaves it', () => {
  const names = [
    'pass',
    'row',
    'ownCell',
    'sharedCell',
    'promptToken',
    'promptCell',
    'usedCell',
    'usedCellRow',
  ] as const;
  fc.assert(
    fc.property(costsOf('pooled'), loads, rooms, fc.constantFrom(...names), (costs, load, room, name) => {
      const dearer: StepCosts = { ...costs, [name]: 1.5 * costs[name] };
      // A dearer step lets chunks grow, and larger chunks save passes: no more than a part of what the step costs more.
      expect(speed(dearer, load, room)).toBeLessThanOrEqual(1.02 * speed(costs, load, room));
    }),
    runs,
  );
});

test('with slabs fewer at once never serve more, and in a pool what is kept never makes it faster', () => {
  fc.assert(
    fc.property(costsOf('per-sequence'), costsOf('pooled'), loads, rooms, (slabs, pool, load, room) => {
      const fewer = { ...room, atOnce: Math.max(1, room.atOnce >> 1) };
      expect(speed(slabs, load, fewer)).toBeLessThanOrEqual(speed(slabs, load, room) * 1.0001);
      const { stepMs } = loadSpeed(pool, load, room);
      expect(loadSpeed(pool, load, { ...room, keptCells: room.keptCells + 10_000 }).stepMs).toBeGreaterThan(stepMs);
    }),
    runs,
  );
});

test('with slabs a chunk that no row stands beside is no second pass; beside rows it is one', () => {
  const costs: StepCosts = { ...cpuSlabs, ownCell: 0, sharedCell: 0, promptCell: 0, pass: 10, row: 1, chunk: 10 };
  const load = { streams: 1, promptTokens: 4, outputTokens: 8, sharedTokens: 0 };
  // One chunk of 4 tokens and 8 rows, each a pass.
  expect(loadSpeed(costs, load, { atOnce: 1, keptCells: 0 }).outputTokensPerSecond).toBeCloseTo(
    (1000 * 8) / (9 * 10 + 8 + 4 * 1.5),
  );
  expect(loadSpeed(costs, load, { atOnce: 2, keptCells: 0 }).outputTokensPerSecond).toBeCloseTo(
    (1000 * 16) / (9 * 10 + 2 * (8 + 10 + 4 * 1.5)),
  );
  // Long prompts with an answer of one token: of all chunks of a prompt one has a row beside it.
  const reading = { ...load, promptTokens: 4000, outputTokens: 1 };
  const { chunkTokens, outputTokensPerSecond } = loadSpeed(costs, reading, { atOnce: 2, keptCells: 0 });
  const chunkCount = 4000 / chunkTokens;
  expect(outputTokensPerSecond).toBeCloseTo((1000 * 2) / (2 * (chunkCount * 10 + 1 + 10 + 4000 * 1.5)));
});

const size: CacheSize = {
  layout: 'pooled',
  cellCount: 32_768,
  sequencesMax: 32,
  cacheSeqCount: 255,
  evictsKept: true,
};

test('a pool runs as many as its cells hold at their mean length, and keeps what pays', () => {
  fc.assert(
    fc.property(costsOf('pooled'), loads, fc.integer({ min: 256, max: 500_000 }), (costs, load, cellCount) => {
      const { atOnce, keptCells } = roomFor({ ...size, cellCount }, load, costs);
      expect(atOnce).toBeGreaterThanOrEqual(1);
      expect(atOnce).toBeLessThanOrEqual(Math.min(load.streams, size.sequencesMax));
      if (atOnce > 1) expect(load.sharedTokens + atOnce * ownCellsOf(load) + keptCells).toBeLessThanOrEqual(cellCount);
      const larger = roomFor({ ...size, cellCount: 2 * cellCount }, load, costs);
      expect(larger.atOnce).toBeGreaterThanOrEqual(atOnce);
      const keeping = roomFor({ ...size, cellCount, evictsKept: false }, load, costs);
      expect(keeping.keptCells).toBeGreaterThanOrEqual(keptCells);
    }),
    runs,
  );
});

test('two cores: slabs for what nobody shares, the pool for a long shared prefix with long answers', () => {
  const ratio = (load: Parameters<typeof roomFor>[1]): number => {
    const pool = speed(cpuPool, load, roomFor(size, load, cpuPool));
    return pool / speed(cpuSlabs, load, roomFor({ ...size, layout: 'per-sequence' }, load, cpuSlabs));
  };
  const unshared = { streams: 32, promptTokens: 64, outputTokens: 64, sharedTokens: 0 };
  expect(ratio(unshared)).toBeLessThan(0.9);
  // Measured end to end: 83 to 96 tok/s against 100 to 112 (docs/decisions/2026-11-26-kept-prefixes.md).
  const shared = { ...unshared, promptTokens: 32, outputTokens: 32, sharedTokens: 512 };
  expect(ratio(shared)).toBeGreaterThan(0.6);
  expect(ratio(shared)).toBeLessThan(1.05);
  expect(ratio({ ...shared, sharedTokens: 4096, outputTokens: 512 })).toBeGreaterThan(1.2);
});

test('a worked example: a turn is its passes, its rows, its chunks and their tokens', () => {
  const costs = {
    ...cpuSlabs,
    pass: 10,
    row: 2,
    ownCell: 0,
    sharedCell: 0,
    chunk: 20,
    promptToken: 0.1,
    promptCell: 0,
  };
  const one = { streams: 1, promptTokens: 100, outputTokens: 10, sharedTokens: 0 };
  // 11 passes, 10 rows, and one chunk, because smaller ones would be mostly fixed part; alone it is no second pass.
  const alone = loadSpeed(costs, one, { atOnce: 1, keptCells: 0 });
  expect(alone).toMatchObject({ stepMs: 12, chunkTokens: 100 });
  expect(alone.chunkMs).toBeCloseTo(30, 6);
  expect(alone.outputTokensPerSecond).toBeCloseTo(10_000 / (11 * 10 + 10 * 2 + 10 + 10), 6);
  // Twenty prompts have as many chunks, each in a step of its own: more than there are tokens to decode.
  const many = loadSpeed(costs, { ...one, streams: 20 }, { atOnce: 20, keptCells: 0 });
  expect(many.outputTokensPerSecond).toBeCloseTo(200_000 / (20 * 10 + 20 * (20 + 20 + 10)), 6);
});

test('memory pressure: where slabs can be had for few at once only, the pool serves more', () => {
  const load = { streams: 32, promptTokens: 100, outputTokens: 200, sharedTokens: 0 };
  const four = { ...size, layout: 'per-sequence', sequencesMax: 4 } as const;
  const pass = { pass: 30 }; // weights that are read for each step, whatever it holds
  const slabs = { ...cpuSlabs, ...pass };
  const pool = { ...cpuPool, ...pass };
  expect(speed(pool, load, roomFor(size, load, pool))).toBeGreaterThan(speed(slabs, load, roomFor(four, load, slabs)));
});
