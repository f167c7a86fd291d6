// Costs of steps, drawn at random, and those of two machines that were measured.

import fc from 'fast-check';
import type { KvLayout } from '../../../src/kernel-port.ts';
import type { StepCosts } from '../../../src/kv/layout-model/step-costs.ts';
import type { ExpectedLoad } from '../../../src/kv/layout-model/types.ts';

/** Each drawn over a few powers of ten around what a CPU and a GPU have. */
export function costsOf(layout: KvLayout): fc.Arbitrary<StepCosts> {
  const cost = (from: number, to: number) =>
    fc.double({ min: Math.log(from), max: Math.log(to), noNaN: true }).map(Math.exp);
  const isPool = layout === 'pooled';
  return fc.record({
    layout: fc.constant(layout),
    pass: cost(0.5, 20),
    row: cost(0.05, 2),
    ownCell: cost(1e-5, 1e-2),
    sharedCell: cost(1e-5, 1e-2),
    chunk: cost(0.01, 30),
    promptToken: cost(0.02, 2),
    promptCell: cost(1e-6, 1e-2),
    usedCell: isPool ? cost(1e-7, 1e-4) : fc.constant(0),
    usedCellRow: isPool ? cost(1e-8, 1e-3) : fc.constant(0),
  });
}

export const loads: fc.Arbitrary<ExpectedLoad> = fc.record({
  streams: fc.integer({ min: 1, max: 256 }),
  promptTokens: fc.integer({ min: 1, max: 8192 }),
  outputTokens: fc.integer({ min: 1, max: 2048 }),
  sharedTokens: fc.integer({ min: 0, max: 8192 }),
});

/** 135 million weights on two cores, as docs/PERFORMANCE.md has them; shared cells are read from near memory. */
export const cpuSlabs: StepCosts = {
  layout: 'per-sequence',
  pass: 4,
  row: 1.9,
  ownCell: 0.007,
  sharedCell: 0.007,
  chunk: 2,
  promptToken: 1.5,
  promptCell: 0.0045,
  usedCell: 0,
  usedCellRow: 0,
};
export const cpuPool: StepCosts = { ...cpuSlabs, layout: 'pooled', chunk: 0, sharedCell: 0.004, usedCellRow: 1.6e-4 };
