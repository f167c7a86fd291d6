// The canary on the embedded model: what it measures, and that it keeps to tokens and time.

import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, test } from 'vitest';
import type { CanaryRequest } from '../../../src/precision/gate/canary-request.ts';
import { type CanaryText, readCanaryText } from '../../../src/precision/gate/canary-text.ts';
import { measureCanary } from '../../../src/precision/gate/measure-canary.ts';
import { demoModelPath, loadForTests } from '../../llama/loaded.ts';
import { tinyModelPath } from '../models.ts';

let canary: CanaryText;
beforeAll(async () => {
  canary = await readCanaryText(fileURLToPath(new URL('../../../config/canary', import.meta.url)));
});

/** One window unless changed; `elapsed` answers the clock's readings one after another, the last one for ever. */
function measure(changes: Partial<CanaryRequest>, elapsed: readonly number[] = [0]) {
  let reading = 0;
  const request: CanaryRequest = {
    modelPath: demoModelPath,
    gpu: 'off',
    gpuLayers: 0,
    threads: 1,
    kvTypes: { k: 'q8_0', v: 'q8_0' },
    text: canary.text,
    tokensMax: 512,
    secondsMax: 1000,
    ...changes,
  };
  const progress: number[] = [];
  const ports = {
    libraries: loadForTests(),
    elapsedSeconds: () => elapsed[Math.min(reading++, elapsed.length - 1)] ?? 0,
    onProgress: (fraction: number) => void progress.push(fraction),
  };
  return measureCanary(request, ports).then((outcome) => ({ outcome, progress }));
}

test('int8 is near f16, int4 is far from it, and f16 is f16', async () => {
  const divergences: number[] = [];
  for (const type of ['f16', 'q8_0', 'q4_0'] as const) {
    const { outcome } = await measure({ kvTypes: { k: type, v: type } });
    if (outcome.kind !== 'measured') throw new Error(outcome.reason);
    const { numbers } = outcome;
    // Rows 32 to 510 of a window of 512.
    expect(numbers.tokenCount).toBe(479);
    divergences.push(numbers.divergence.mean);
    if (type === 'f16') expect(numbers).toMatchObject({ topAgreement: 1, flips: { gained: 0, lost: 0 } });
    if (type === 'q4_0') expect(numbers.flips.gained + numbers.flips.lost).toBeGreaterThan(0);
    expect(numbers.topAgreement).toBeGreaterThan(0.7);
  }
  const [same = 1, int8 = 0, int4 = 0] = divergences;
  expect(same).toBe(0);
  expect(int8).toBeGreaterThan(0);
  expect(int4).toBeGreaterThan(8 * int8);
});

test('stops between windows when another one would take too long, and says how far it came', async () => {
  // Loaded at 1, started at 1, and 6 s gone after the first window: a second one would end at 11.
  const { outcome, progress } = await measure({ secondsMax: 10, tokensMax: 4096 }, [1, 1, 6, 6, 6]);
  expect(outcome).toMatchObject({ kind: 'measured', numbers: { tokenCount: 479, tokensPlanned: 8 * 479 } });
  expect(progress).toEqual([1 / 8]);
});

test('a model that took all the time to load is not measured', async () => {
  const { outcome } = await measure({ secondsMax: 10 }, [12.3]);
  expect(outcome).toEqual({ kind: 'skipped', reason: 'loading took 12 s' });
});

test('a pair that the model cannot have is a failure with its reason', async () => {
  const { outcome } = await measure({ modelPath: tinyModelPath });
  expect(outcome).toMatchObject({ kind: 'failed', reason: expect.stringMatching(/multiple of 32\. Given: 8/) });
});

describe('the text', () => {
  test('begins with a piece of each kind, and is named by its content', async () => {
    const first = canary.text.slice(0, 3500);
    for (const sign of ['The ferry', 'class RecentCache', 'average speed', '"order": 20417', 'get_weather'])
      expect(first).toContain(sign);
    expect(canary.text).not.toMatch(/^---$/m);
    expect(canary.sha256).toMatch(/^[0-9a-f]{64}$/);
  });

  test('a missing folder is an error', async () => {
    await expect(readCanaryText(path.join(import.meta.dirname, 'nowhere'))).rejects.toThrow(/ENOENT/);
  });
});
