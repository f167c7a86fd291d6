// What `octet plan` says of a model, against the engine that is then loaded and against what llama.cpp allocates for it.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseKvTypes } from '../../../src/kv-types.ts';
import { loadModel } from '../../../src/llama/model.ts';
import { chooseWeights, prepareWeights } from '../../../src/precision/weights.ts';
import { type PairPlan, type PlanWish, planGrid } from '../../../src/server/capacity/plan-grid.ts';
import { assembleEngine } from '../../../src/server/engine/assemble-engine.ts';
import type { EngineConfiguration } from '../../../src/server/engine/engine-configuration.ts';
import { planSizes } from '../../../src/server/engine/plan-sizes.ts';
import { archModelPath } from '../../arch-models.ts';
import { loadForTests } from '../../llama/loaded.ts';
import { demoModelPath } from '../../precision/models.ts';
import { plainConfiguration } from '../engine/plain-configuration.ts';

const libraries = loadForTests();
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'octet-plan-test-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const { modelPath, kvTypes, kvBlocks, kvMemoryBytes, contextTokens, sequencesMax, ...engine } = plainConfiguration;

function kvOf(text: string) {
  const parsed = parseKvTypes(text);
  if (parsed.kind === 'refused') throw new Error(parsed.message);
  return parsed.types;
}

interface Settings {
  readonly model?: string;
  readonly source?: string;
  readonly weights: string;
  readonly kv: string;
  readonly contextTokens: number;
  readonly concurrency: number;
  readonly kvLayout?: EngineConfiguration['kvLayout'];
  readonly memoryBytes?: number;
  /** Why the engine has its layout. */
  readonly layoutReason?: string;
  readonly draft?: string;
}

function draftOf(modelPath: string): EngineConfiguration['speculation'] {
  return { draftTokensMax: 8, draft: { modelPath, threads: 1, cacheTokens: 0 } };
}

async function planOne(settings: Settings): Promise<PairPlan> {
  const { source = demoModelPath, weights, kv, contextTokens, concurrency, kvLayout = 'auto' } = settings;
  const plan = await planGrid({
    libraries,
    source,
    memoryBytes: settings.memoryBytes,
    weights: [weights],
    kv: [kvOf(kv)],
    contextTokens,
    concurrency,
    engine: { ...engine, kvLayout, speculation: settings.draft === undefined ? undefined : draftOf(settings.draft) },
  });
  const [pair] = plan.pairs;
  if (pair === undefined) throw new Error('no pair was planned');
  return pair;
}

/** Loads the engine with the same settings; answers its capacity, and the bytes of the buffers that llama.cpp reports. */
async function loadEngine({ source = demoModelPath, weights, kv, contextTokens, concurrency, kvLayout }: Settings) {
  const choice = await chooseWeights({ libraries, source, weights });
  const { path } = await prepareWeights(choice, { libraries, cacheFolder: folder, threads: 1 });
  const lines: string[] = [];
  const stop = libraries.nativeLog.listen((line) => lines.push(line));
  const assembled = await assembleEngine(
    {
      ...engine,
      modelPath: path,
      kvTypes: kv,
      kvLayout: kvLayout ?? 'auto',
      contextTokens,
      sequencesMax: concurrency,
      kvBlocks: 0,
      kvMemoryBytes: 0,
    },
    { log: () => undefined, onProgress: () => undefined },
  ).finally(stop);
  assembled.dispose();
  // Contexts before the weights were loaded only measured.
  const loaded = lines.slice(lines.findLastIndex((line) => line.includes('loaded meta data')));
  const sum = (pattern: RegExp) =>
    loaded.reduce((total, line) => total + Number(pattern.exec(line)?.[1] ?? 0), 0) * 2 ** 20;
  return {
    capacity: assembled.capacity,
    kvBytes: sum(/ KV buffer size = +([\d.]+) MiB/),
    buffersBytes: sum(/ (?:KV|compute|output|RS) buffer size = +([\d.]+) MiB/),
  };
}

const within = (share: number, actual: number, expected: number) => Math.abs(actual / expected - 1) <= share;

const roomy = "there is room for 512 tokens in each slab, and no row pays for another's cells";

describe('the plan is what the engine does', () => {
  test.each<Settings>([
    { weights: 'q8_0', kv: 'q8_0', contextTokens: 512, concurrency: 8, layoutReason: roomy },
    { weights: 'q4_k_m', kv: 'f16', contextTokens: 2048, concurrency: 4, kvLayout: 'pooled', layoutReason: 'as set' },
    {
      weights: 'file',
      kv: 'q8_0:q4_0',
      contextTokens: 1000,
      concurrency: 16,
      kvLayout: 'per-sequence',
      layoutReason: 'as set',
    },
    {
      model: 'gemma3',
      source: archModelPath('gemma3-dense'),
      weights: 'file',
      kv: 'f16',
      contextTokens: 4096,
      concurrency: 4,
      layoutReason: 'the model shares no prefixes',
    },
    {
      model: 'qwen35',
      source: archModelPath('qwen35-dense'),
      weights: 'file',
      kv: 'f16',
      contextTokens: 512,
      concurrency: 4,
      layoutReason: 'the model shares no prefixes',
    },
    {
      model: 'mamba2',
      source: archModelPath('mamba2-dense'),
      weights: 'file',
      kv: 'f16',
      contextTokens: 256,
      concurrency: 4,
      layoutReason: 'the model shares no prefixes',
    },
  ])('$weights weights, $kv KV, $concurrency x $contextTokens, $model model', async (settings) => {
    const plan = await planOne(settings);
    const { capacity, kvBytes, buffersBytes } = await loadEngine(settings);
    const { serve } = plan;
    if (serve.kind !== 'planned') throw new Error(serve.reason);
    expect(capacity).toMatchObject({
      blockCount: serve.blocks,
      contextTokensMax: serve.contextTokensMax,
      kvLayout: serve.layout,
      kvLayoutChoice: { basis: settings.kvLayout === undefined ? 'rule' : 'setting', reason: settings.layoutReason },
      kvBytesPerToken: plan.kvBytesPerToken,
      weightBytes: plan.weightBytes,
    });
    expect(capacity.memory.rows.map(({ bytes }) => bytes)).toEqual([
      plan.weightBytes,
      serve.computeBytes,
      serve.kvBytes,
    ]);
    // And what was planned is what was allocated. Windows of window layers are planned with the buffers.
    expect(within(0.02, serve.computeBytes + serve.kvBytes, buffersBytes)).toBe(true);
    if (kvBytes > 0 && settings.model !== 'gemma3') expect(within(0.02, serve.kvBytes, kvBytes)).toBe(true);
    expect(plan.fits).toBe(true);
  });
});

describe('slabs that are too short', () => {
  test.each([
    { contextTokens: 0, reason: 'slabs would hold 512 tokens of the 2,048 that a sequence may have' },
    { contextTokens: 2048, reason: /^with slabs context must be <= 512 tokens: each of 16 slabs .* Given: 2,048$/ },
  ])('give way to the pool, which says why, for $contextTokens tokens', async ({ contextTokens, reason }) => {
    const wish = { kvTypes: 'q8_0', kvLayout: 'auto', sequencesMax: 16, kvBlocks: 512, kvMemoryBytes: 0 } as const;
    const measured = await loadModel({ libraries, path: demoModelPath, gpuLayers: 0, load: 'measure' });
    try {
      const sizes = await planSizes({ ...engine, ...wish, modelPath: demoModelPath, contextTokens }, measured);
      expect(sizes.kernel.layout).toBe('pooled');
      expect(sizes.layoutChoice.reason).toMatch(reason);
    } finally {
      measured.dispose();
    }
  });
});

describe('where memory is short', () => {
  const short = { weights: 'q8_0', kv: 'q8_0', contextTokens: 2048, concurrency: 16 } as const;

  test('what fits is less, never more than there is, and grows with the memory', async () => {
    const tokens: number[] = [];
    for (const mebibytes of [24, 40, 64, 128]) {
      const memoryBytes = mebibytes * 2 ** 20;
      const { serve, largest, fits } = await planOne({ ...short, memoryBytes });
      tokens.push(largest?.tokens ?? 0);
      if (serve.kind === 'planned') expect(serve.totalBytes).toBeLessThanOrEqual(memoryBytes);
      expect(fits).toBe(Math.max(largest?.requests ?? 0, serve.kind === 'planned' ? serve.requests : 0) >= 16);
    }
    expect(tokens).toEqual([...tokens].sort((a, b) => a - b));
    expect(tokens[0]).toBeLessThan(tokens[3] ?? 0);
  });

  test('a draft model has its place beside the cache, and is refused where it knows other tokens', async () => {
    const memoryBytes = 128 * 2 ** 20;
    const alone = await planOne({ ...short, memoryBytes });
    const beside = await planOne({ ...short, memoryBytes, draft: demoModelPath });
    expect(alone.draftBytes).toBe(0);
    expect(beside.draftBytes).toBeGreaterThan(26e6);
    // Its weights are those of the file, and a little is its cache.
    expect((alone.largest?.tokens ?? 0) * alone.kvBytesPerToken).toBeGreaterThan(
      (beside.largest?.tokens ?? 0) * alone.kvBytesPerToken + 26e6,
    );
    await expect(planOne({ ...short, memoryBytes, draft: archModelPath('gemma3-dense') })).rejects.toThrow(
      /the draft model .* cannot be used: .*sliding window.*tokens, the model 4,096/s,
    );
  });

  test('states in host memory count where the cache is there too: by themselves they give way, as asked for they are refused', async () => {
    const measured = await loadModel({ libraries, path: demoModelPath, gpuLayers: 0, load: 'measure' });
    const wish = { modelPath: demoModelPath, kvTypes: 'q8_0', contextTokens: 0, sequencesMax: 4, kvMemoryBytes: 0 };
    const availableBytes = 64 * 2 ** 20;
    const plan = (states: Pick<EngineConfiguration, 'parkBytesMax' | 'prefixBytesMax'>, kvBlocks = 0) =>
      planSizes({ ...engine, ...wish, ...states, kvBlocks }, measured, { availableBytes });
    const sumOf = ({ memory }: Awaited<ReturnType<typeof plan>>) =>
      memory.rows.reduce((sum, { bytes }) => sum + bytes, 0);
    try {
      const auto = { parkBytesMax: 'auto', prefixBytesMax: 'auto' } as const;
      const roomy = await plan(auto);
      expect(sumOf(roomy)).toBeLessThanOrEqual(availableBytes);
      expect(roomy.memory.rows.slice(-2).map(({ part }) => part)).toEqual(['park memory', 'prefix memory']);
      expect(roomy.hostStates.parkBytesMax).toBeGreaterThan(2 ** 20);
      const { plan: alone } = await plan({ parkBytesMax: 0, prefixBytesMax: 0 });
      const most = await plan(auto, alone.blockCount + 500);
      expect(sumOf(most)).toBeLessThanOrEqual(availableBytes);
      expect(most.hostStates.parkBytesMax).toBeLessThan(roomy.hostStates.parkBytesMax);
      await expect(plan({ parkBytesMax: 0, prefixBytesMax: 2 ** 30 })).rejects.toThrow(
        /prefix memory 1\.0 GiB = 1\.0 GiB > 64\.0 MiB available/,
      );
    } finally {
      measured.dispose();
    }
  });

  test('weights that do not fit are said to, with the arithmetic', async () => {
    const { serve, largest, fits } = await planOne({ ...short, memoryBytes: 12 * 2 ** 20 });
    expect(serve).toMatchObject({ kind: 'refused', reason: expect.stringMatching(/weights 13\.3 MiB .* > 12\.0 MiB/) });
    expect([largest, fits]).toEqual([undefined, false]);
  });
});

test('weights that the file does not allow are a note; alone, an error', async () => {
  const wish: PlanWish = {
    libraries,
    source: demoModelPath,
    memoryBytes: 2 ** 30,
    weights: ['iq1_s', 'q8_0'],
    kv: [kvOf('f16')],
    contextTokens: 0,
    concurrency: 2,
    engine,
  };
  const { pairs, notes, contextTokens } = await planGrid(wish);
  expect(pairs.map(({ weights }) => weights)).toEqual(['q8_0']);
  expect(notes).toEqual([expect.stringMatching(/iq1_s cannot be made of this file: .*importance matrix/)]);
  expect(contextTokens).toBe(2048);
  await expect(planGrid({ ...wish, weights: ['iq1_s'] })).rejects.toThrow(/importance matrix/);
  await expect(planGrid({ ...wish, weights: ['q9'] })).rejects.toThrow(/Given: q9/);
});
