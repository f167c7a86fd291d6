// The model that is made to copy does so: it goes on as its text went on where the last token stood before.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { writeCopyingModel } from '../../bench/copying/write-model.ts';
import { createKernel } from '../../src/llama/kernel.ts';
import { loadLibraries } from '../../src/llama/libraries.ts';
import { loadModel } from '../../src/llama/model.ts';
import { answer } from '../contract/kernel-driver.ts';
import { demoModel } from '../e2e/server.ts';

test('goes on as before, round and round', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'octet-copying-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'copying.gguf');
  const bytes = await writeCopyingModel(path, demoModel, { layers: 3, width: 192, feedForward: 64, kvHeads: 3 });
  expect(bytes).toBeGreaterThan(1_000_000);
  const libraries = loadLibraries({ gpu: 'off', log: () => undefined });
  const model = await loadModel({ libraries, path, load: 'weights', gpuLayers: 0 });
  const kernel = await createKernel({
    model,
    layout: 'pooled',
    cellCount: 256,
    sequencesMax: 1,
    batchTokensMax: 64,
    microBatchTokens: 64,
    kvTypes: { k: 'q8_0', v: 'q8_0' },
    threads: 1,
    samplingThreads: 0,
  });
  onTestFinished(() => {
    kernel.dispose();
    model.dispose();
  });
  const text = Array.from({ length: 30 }, (_, index) => 300 + 37 * index);
  const [start = 0] = text;
  // The first token has none before it, and takes itself for that.
  expect(await answer(kernel, 0, [9, ...text, start], 40)).toEqual([...text.slice(1), ...text].slice(0, 40));
});
