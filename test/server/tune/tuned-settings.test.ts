// What `serve --tuned` makes of a kept result: what it takes, what wins over it, and what it refuses.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { formatSettings } from '../../../src/server/banner.ts';
import { loadSettings } from '../../../src/server/settings.ts';
import type { Device } from '../../../src/server/tune/device.ts';
import { identityOf } from '../../../src/server/tune/identity.ts';
import { findTuning, type KeptTuning, keepTuning, listTunings } from '../../../src/server/tune/kept-results.ts';
import { settingsToWrite } from '../../../src/server/tune/speed-values.ts';
import { applyTuned, overlay } from '../../../src/server/tune/tuned-settings.ts';
import { defaults } from './fake-machine.ts';

const tinyModel = resolve(import.meta.dirname, '..', '..', 'fixtures', 'stories260K', 'stories260K-f16.gguf');
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'octet-tuned-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const device: Device = { CPU: 'a', cores: '8', GPU: 'none', 'llama.cpp release': 'v1' };
const tuned = { ...defaults, threads: 4, microBatch: 1024 };

function load(...flags: string[]) {
  const argv = ['serve', '--model', tinyModel, '--weights', 'file', '--weights-cache', folder, ...flags];
  const loaded = loadSettings({ argv, env: {} });
  if (loaded.kind !== 'settings') throw new Error(JSON.stringify(loaded));
  return loaded;
}

const parts = {
  modelPath: tinyModel,
  choice: { kind: 'file', source: tinyModel, label: 'f16', bytes: 1 },
  findDevice: async () => device,
} as const;

async function resultFor(here: Device): Promise<KeptTuning> {
  const { settings } = load('--kv', 'f16');
  return {
    kind: 'octet-tuning',
    at: '2026-11-26T04:00:00.000Z',
    octet: '0.1.0',
    model: 'tiny',
    identity: await identityOf(settings, { ...parts, device: here, folder }),
    conditions: { sequencesMax: 32, kvLayout: 'auto', context: 0 },
    report: {
      defaults,
      tuned,
      settings: settingsToWrite(defaults, tuned),
      loads: [{ name: 'decode-1', cost: 8, noise: 0.01, tuned: { ratio: 0.8, error: 0.01 } }],
      trials: [],
      seconds: 60,
    },
  };
}

test('tuned values stand over defaults and under what was set', async () => {
  const { settings, sources } = load('--kv', 'f16', '--micro-batch', '256');
  const outcome = overlay(settings, sources, await resultFor(device));
  expect(outcome.settings).toMatchObject({ threads: 4, batchThreads: 8, samplingThreads: 8, microBatch: 256 });
  expect(outcome.sources).toMatchObject({ threads: 'tuned', microBatch: 'flag --micro-batch', stepTokens: 'default' });
  expect(outcome.status).toMatchObject({
    kind: 'tuned',
    overridden: ['microBatch'],
    loads: [{ name: 'decode-1', defaultMs: 8, ratio: 0.8 }],
  });
  expect(formatSettings(outcome.settings, outcome.sources)).toContain('threads 4 (tuned)');
  // A result of a version that measured no layouts.
  expect(outcome.layoutEvidence).toBeUndefined();
});

test('what was measured of the layouts comes with them, kept as it was', async () => {
  const { settings, sources } = load('--kv', 'f16');
  const plain = await resultFor(device);
  const shape = { rows: 4, ownCells: 9, sharedCells: 0, promptTokens: 0, promptDepth: 0, usedCells: 36 };
  const steps = { pooled: [{ ...shape, ms: [3, 2.5] }], 'per-sequence': [{ ...shape, ms: [2, 2] }] };
  const evidence = { load: { streams: 4, promptTokens: 8, outputTokens: 8, sharedTokens: 0 }, noise: 0.02, steps };
  const layouts = { kind: 'measured', evidence, layout: 'per-sequence', text: 'slabs' } as const;
  await keepTuning(folder, { ...plain, report: { ...plain.report, layouts } });
  const [kept = plain] = await listTunings(folder);
  rmSync(join(folder, 'tuning'), { recursive: true });
  expect(overlay(settings, sources, kept).layoutEvidence).toEqual(evidence);
  const skipped = { ...kept, report: { ...kept.report, layouts: { kind: 'not-measured', reason: 'set' } as const } };
  expect(overlay(settings, sources, skipped).layoutEvidence).toBeUndefined();
});

test('of threads all are written or none, of others what differs', () => {
  expect(settingsToWrite(defaults, defaults)).toEqual({});
  expect(settingsToWrite(defaults, { ...defaults, stepTokens: 1024 })).toEqual({ stepTokens: 1024 });
  expect(settingsToWrite(defaults, { ...defaults, batchThreads: 2 })).toEqual({
    threads: 8,
    batchThreads: 2,
    samplingThreads: 8,
  });
});

test('without a result the server is told what to run, and with another one what differs', async () => {
  const warnings: string[] = [];
  const apply = (...flags: string[]) => {
    const { settings, sources } = load(...flags);
    return applyTuned(settings, sources, { ...parts, warn: (text) => warnings.push(text) });
  };
  expect((await apply('--kv', 'f16')).status).toEqual({ kind: 'off' });
  await expect(apply('--kv', 'f16', '--tuned')).rejects.toThrow(
    /octet tune has found none for this model\. Run: octet tune --model \S+ --weights file --weights-cache \S+ --kv f16$/,
  );
  const other = await resultFor({ ...device, cores: '16', 'llama.cpp release': 'v0' });
  await keepTuning(folder, other);
  writeFileSync(join(folder, 'tuning', 'broken.json'), '{');
  await expect(apply('--kv', 'f16', '--tuned')).rejects.toThrow(
    /\(cores: tuned with 16, here 8; llama\.cpp release: tuned with v0, here v1\)/,
  );
  await keepTuning(folder, await resultFor(device));
  expect(await listTunings(folder)).toHaveLength(2);
  const applied = await apply('--kv', 'f16', '--tuned', '--sequences-max', '64');
  expect(applied.settings.threads).toBe(4);
  expect(warnings).toEqual([expect.stringContaining('tuned for 32 sequences at once, and this server runs 64')]);
  await apply('--kv', 'f16', '--tuned', '--micro-batch', '256');
  expect(warnings.slice(1)).toEqual([
    expect.stringMatching(
      /^tuned with microBatch 1024, and this server has microBatch 256: octet tune .*--micro-batch 256 would/,
    ),
  ]);
  const known = await resultFor(device);
  await keepTuning(folder, { ...known, conditions: { ...known.conditions, drawing: 'host' } });
  warnings.length = 0;
  await apply('--kv', 'f16', '--tuned', '--context', '256', '--drawing', 'graph');
  expect(warnings).toEqual([
    expect.stringMatching(/^tuned with no context set, and this server has context 256: octet tune .*would measure/),
    expect.stringMatching(/^tuned with drawing host, and this server has drawing graph: octet tune/),
  ]);
  await expect(apply('--kv', 'bf16', '--tuned')).rejects.toThrow(/KV type: tuned with f16, here bf16/);
});

test('a result of another model is none', async () => {
  const result = await resultFor(device);
  const elsewhere = { ...result.identity, 'model content': 'other' };
  expect(findTuning([result], elsewhere)).toEqual({ kind: 'none' });
  expect(findTuning([result], result.identity)).toMatchObject({ kind: 'found' });
});
