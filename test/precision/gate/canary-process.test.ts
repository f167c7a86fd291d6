// The canary's process: whatever becomes of it is an outcome, and only a shutdown throws.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { measureInProcess } from '../../../src/precision/gate/canary-process.ts';
import type { CanaryRequest } from '../../../src/precision/gate/canary-request.ts';

const folder = mkdtempSync(path.join(os.tmpdir(), 'octet-canary-'));
afterAll(() => rmSync(folder, { recursive: true }));

const request: CanaryRequest = {
  modelPath: 'any',
  gpu: 'off',
  gpuLayers: 0,
  threads: 1,
  kvTypes: { k: 'q8_0', v: 'q8_0' },
  text: '',
  tokensMax: 1,
  secondsMax: 0.1,
};

function measureWith(source: string, signal = new AbortController().signal) {
  const program = path.join(folder, `${Math.abs(hash(source))}.mjs`);
  writeFileSync(program, source);
  return measureInProcess(request, { onProgress: () => undefined, signal, program });
}

function hash(text: string): number {
  return [...text].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) | 0, 7);
}

describe('a process that', () => {
  test('answers is believed', async () => {
    const answer =
      "process.on('message', () => process.send({ kind: 'outcome', outcome: { kind: 'skipped', reason: 'slow' } }))";
    expect(await measureWith(answer)).toEqual({ kind: 'skipped', reason: 'slow' });
  });

  test('dies is a failure with what it said last', async () => {
    const death = "process.on('message', () => { process.stderr.write('GGML_ASSERT(x) failed'); process.abort(); })";
    expect(await measureWith(death)).toEqual({
      kind: 'failed',
      reason: expect.stringMatching(/^its process ended with SIGABRT.*GGML_ASSERT\(x\) failed/s),
    });
  });

  test('hangs is ended and counts as skipped', async () => {
    const started = performance.now();
    expect(await measureWith('setInterval(() => undefined, 1000)')).toEqual({
      kind: 'skipped',
      reason: 'no window was finished in time',
    });
    expect(performance.now() - started).toBeLessThan(10_000);
  });

  test('is not wanted any more throws the reason', async () => {
    const controller = new AbortController();
    const measuring = measureWith('setInterval(() => undefined, 1000)', controller.signal);
    controller.abort(new Error('the server is shutting down'));
    await expect(measuring).rejects.toThrow('the server is shutting down');
  });

  test('cannot be started is a failure', async () => {
    const options = { onProgress: () => undefined, signal: new AbortController().signal };
    const outcome = await measureInProcess(request, { ...options, program: path.join(folder, 'nowhere.mjs') });
    expect(outcome).toMatchObject({ kind: 'failed', reason: expect.stringMatching(/exit code 1/) });
  });
});
