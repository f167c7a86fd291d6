// What a tuning run knows before it loads weights: loads that are too long, and layouts that are no choice.

import { afterAll, beforeAll, expect, test } from 'vitest';
import { type LlamaModel, loadModel } from '../../../src/llama/model.ts';
import { planLayouts } from '../../../src/server/tune/native-layouts.ts';
import { runTuning } from '../../../src/server/tune/run-tuning.ts';
import { speedValuesOf } from '../../../src/server/tune/speed-values.ts';
import { loadForTests } from '../../llama/loaded.ts';
import { demoModelPath } from '../../precision/models.ts';
import { plainConfiguration } from '../engine/plain-configuration.ts';

let measured: LlamaModel;
beforeAll(async () => {
  measured = await loadModel({ libraries: loadForTests(), path: demoModelPath, gpuLayers: 0, load: 'measure' });
});
afterAll(() => measured.dispose());

const configuration = plainConfiguration;

test('a load that is too long for the longest sequence is refused before the weights are loaded', async () => {
  const said: string[] = [];
  const load = { streams: undefined, promptTokens: 1_000_000, outputTokens: undefined, sharedTokens: undefined };
  const wish = { kind: 'tune', configuration, fixed: [], load, secondsMax: 1, isRehearsal: false } as const;
  await expect(runTuning(wish, (label) => said.push(label))).rejects.toThrow(
    /--output-tokens must be <= [\d,]+ tokens together.* Given: 1,000,001/,
  );
  expect(said).toEqual(['planning']);
});

test('slabs that hold longer sequences than the pool would are no choice, as they are none for a server', async () => {
  const trained = measured.shape.contextTokensTrained;
  // The cells are rounded up to whole slabs, and a pool has the blocks that it was told to have.
  const one = { ...configuration, sequencesMax: 1, kvBlocks: trained / 16 - 1 };
  const parts = { configuration: one, measured, availableBytes: undefined };
  const planned = await planLayouts(parts, speedValuesOf(one, 1));
  expect(planned).toEqual({
    kind: 'one',
    reason: expect.stringMatching(/^the pool would hold [\d,]+ tokens of a sequence, and a slab [\d,]+$/),
  });
  const whole = { ...one, kvBlocks: trained / 16 };
  expect(await planLayouts({ ...parts, configuration: whole }, speedValuesOf(whole, 1))).toMatchObject({
    kind: 'both',
  });
});
