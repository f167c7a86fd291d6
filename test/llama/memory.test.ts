// What llama.cpp would allocate, measured without allocating it, against what is known of the models.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ContextOptions } from '../../src/llama/context.ts';
import { hostRoom, measureBuffers, measureCacheCost, memoryRoom } from '../../src/llama/memory.ts';
import type { LlamaModel } from '../../src/llama/model.ts';
import { archModelPath } from '../arch-models.ts';
import { loadForTests, loadTestModel } from './loaded.ts';

let demo: LlamaModel;
beforeAll(async () => {
  demo = await loadTestModel(undefined, 'measure');
});
afterAll(() => demo.dispose());

test('the room is this machine’s', () => {
  const room = memoryRoom(loadForTests());
  expect(room.where).toBe('host');
  expect(room.freeBytes).toBeGreaterThan(50e6);
  expect(room.totalBytes).toBeGreaterThanOrEqual(room.freeBytes);
  expect(hostRoom().totalBytes).toBe(room.totalBytes);
});

describe('the cost of a token', () => {
  test('is layers times heads times head size', async () => {
    expect(await measureCacheCost(demo)).toEqual({ layerCount: 6, embeddingK: 2 * 64, embeddingV: 2 * 64 });
  });

  test('leaves out layers that keep a window only', async () => {
    const gemma = await loadTestModel(archModelPath('gemma3-dense'), 'measure');
    expect(await measureCacheCost(gemma)).toEqual({ layerCount: 1, embeddingK: 256, embeddingV: 256 });
    gemma.dispose();
  });

  test('is nothing for a recurrent model', async () => {
    const mamba = await loadTestModel(archModelPath('mamba2-dense'), 'measure');
    expect(await measureCacheCost(mamba)).toEqual({ layerCount: 0, embeddingK: 0, embeddingV: 0 });
    mamba.dispose();
  });
});

describe('the buffers of a context', () => {
  const options = {
    layout: 'pooled',
    cellCount: 4096,
    sequencesMax: 16,
    batchTokensMax: 512,
    microBatchTokens: 512,
    kvTypes: { k: 'q8_0', v: 'q8_0' },
    threads: 1,
  } as const;

  test('are the cache, the logits of each sequence, and scratch memory', async () => {
    const sizes = await measureBuffers({ ...options, model: demo });
    expect(sizes.outputBytes).toBe(16 * 4096 * 4);
    expect(sizes.stateBytes).toBe(0);
    // 6 layers, K and V of 128 values, 34 bytes for 32 of them.
    expect(Math.abs(sizes.cacheBytes - 4096 * 6 * 2 * 128 * (34 / 32))).toBeLessThan(20_000);
    expect(sizes.computeBytes).toBeGreaterThan(1e6);
  });

  test('are more by the logits that stay on the device where a step may take several passes', async () => {
    const outputBytes = async (drawing: 'host' | 'graph', changed: Partial<ContextOptions> = {}) =>
      (await measureBuffers({ ...options, model: demo, outputsMax: 40, drawing, ...changed })).outputBytes;
    const keptBytes = 40 * 4096 * 4;
    const onePass = await outputBytes('graph');
    expect(await outputBytes('graph', { microBatchTokens: 256 })).toBe(onePass + keptBytes);
    expect(await outputBytes('graph', { layout: 'per-sequence' })).toBe(onePass + keptBytes);
    const alone = await outputBytes('graph', { sequencesMax: 1 });
    expect(await outputBytes('graph', { sequencesMax: 1, layout: 'per-sequence' })).toBe(alone);
    expect(await outputBytes('host', { microBatchTokens: 256 })).toBe(await outputBytes('host'));
  });

  test('hold a state per sequence for a recurrent model', async () => {
    const mamba = await loadTestModel(archModelPath('mamba2-dense'), 'measure');
    const few = await measureBuffers({ ...options, model: mamba, kvTypes: { k: 'f16', v: 'f16' } });
    const many = await measureBuffers({ ...options, model: mamba, kvTypes: { k: 'f16', v: 'f16' }, sequencesMax: 32 });
    expect(few.cacheBytes).toBe(0);
    expect(many.stateBytes / few.stateBytes).toBeCloseTo(2, 1);
    mamba.dispose();
  });

  test('are refused where llama.cpp refuses, with its words', async () => {
    const refused = measureBuffers({ ...options, model: demo, kvTypes: { k: 'q8_0', v: 'q8_0' }, sequencesMax: 500 });
    await expect(refused).rejects.toThrow(/cannot create the native context: .*n_seq_max must be <= 256/);
  });
});
