// Which layout an engine is planned with: as set, by the rule, or as a tuning run's measurements have it.

import { afterAll, beforeAll, expect, test } from 'vitest';
import type { KvLayout } from '../../../src/kernel-port.ts';
import { type StepCosts, stepMs } from '../../../src/kv/layout-model/step-costs.ts';
import type { ExpectedLoad, LayoutEvidence } from '../../../src/kv/layout-model/types.ts';
import { type LlamaModel, loadModel } from '../../../src/llama/model.ts';
import type { EngineConfiguration } from '../../../src/server/engine/engine-configuration.ts';
import { planSizes } from '../../../src/server/engine/plan-sizes.ts';
import { layoutSizes, plannedSteps } from '../../../src/server/tune/layout-points.ts';
import { cpuPool, cpuSlabs } from '../../kv/layout-model/costs.ts';
import { loadForTests } from '../../llama/loaded.ts';
import { demoModelPath } from '../../precision/models.ts';
import { plainConfiguration } from './plain-configuration.ts';

let measured: LlamaModel;
beforeAll(async () => {
  measured = await loadModel({ libraries: loadForTests(), path: demoModelPath, gpuLayers: 0, load: 'measure' });
});
afterAll(() => measured.dispose());

const configuration: EngineConfiguration = { ...plainConfiguration, contextTokens: 512, sequencesMax: 8 };

const load: ExpectedLoad = { streams: 8, promptTokens: 100, outputTokens: 100, sharedTokens: 0 };

function evidenceOf(slabs: StepCosts, pool: StepCosts, rounds: number): LayoutEvidence {
  const wish = { load, sequencesMax: 8, cellsMax: 16_384, microBatch: 256, visitMs: 50, stepMs: 10 };
  const sizes = layoutSizes({ ...wish, promptMsPerToken: 1 }) ?? expect.fail('the cache holds this load');
  const steps = (layout: KvLayout, costs: StepCosts) =>
    plannedSteps(layout, sizes).map(({ shape }) => ({ ...shape, ms: new Array(rounds).fill(stepMs(costs, shape)) }));
  return { load, noise: 0.01, steps: { pooled: steps('pooled', pool), 'per-sequence': steps('per-sequence', slabs) } };
}

/** A pool whose rows are cheaper than they are. */
const quickPool = { ...cpuPool, row: 0.5, promptToken: 0.5 };

async function planned(layoutEvidence: LayoutEvidence | undefined, given: Partial<EngineConfiguration> = {}) {
  const { kernel, layoutChoice, plan } = await planSizes({ ...configuration, ...given, layoutEvidence }, measured);
  return { layout: kernel.layout, slabTokens: plan.slabTokens, ...layoutChoice };
}

test('certain measurements decide, and the plan is that of the layout', async () => {
  expect(await planned(undefined)).toMatchObject({ layout: 'per-sequence', basis: 'rule' });
  const pooled = await planned(evidenceOf(cpuSlabs, quickPool, 3));
  expect(pooled).toMatchObject({ layout: 'pooled', basis: 'measurement' });
  expect(pooled.slabTokens).toBe(8 * 512);
  expect(pooled.reason).toMatch(/^measured by octet tune: for 8 streams of 100 \+ 100 tokens slabs are to give /);
  expect(pooled.speeds?.pooled).toBeGreaterThan(pooled.speeds?.['per-sequence'] ?? Number.POSITIVE_INFINITY);
  const slabs = await planned(evidenceOf(cpuSlabs, { ...cpuPool, row: 4 }, 3));
  expect(slabs).toMatchObject({ layout: 'per-sequence', basis: 'measurement', slabTokens: 512 });
});

test('what is not certain leaves the rule, and says so with the figures', async () => {
  const open = await planned(evidenceOf(cpuSlabs, quickPool, 2));
  expect(open).toMatchObject({ layout: 'per-sequence', basis: 'rule' });
  expect(open.reason).toMatch(
    /^there is room for 512 tokens in each slab.*; octet tune measured no certain difference: for/,
  );
});

test('a load that is longer than a sequence may be here decides nothing, and the reason says so', async () => {
  const short = await planned(evidenceOf(cpuSlabs, quickPool, 3), { contextTokens: 128 });
  expect(short).toMatchObject({ layout: 'per-sequence', basis: 'rule' });
  expect(short.reason).toMatch(
    /; octet tune measured for 8 streams of 100 \+ 100 tokens, more than a sequence may have/,
  );
  expect(short.speeds).toBeUndefined();
});

test('a layout that was set, and slabs that are too short, are no choice', async () => {
  const evidence = evidenceOf(cpuSlabs, quickPool, 3);
  expect(await planned(evidence, { kvLayout: 'per-sequence' })).toMatchObject({ basis: 'setting', reason: 'as set' });
  const short = await planned(evidenceOf(cpuSlabs, { ...cpuPool, row: 4 }, 3), { kvBlocks: 64 });
  expect(short).toMatchObject({ layout: 'pooled', basis: 'rule' });
});
