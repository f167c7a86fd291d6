// `octet tune` on the embedded model in a second, and a server that uses what it found.

import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { reportSchema, type TuningReport } from '../../src/server/tune/report.ts';
import { textOf } from './client.ts';
import { demoModel, distFolder, serverForTest } from './server.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'octet-e2e-tune-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const shape = ['--sequences-max', '2', '--context', '512', '--pooling', 'off'];
const printed = z.object({ path: z.string(), identity: z.record(z.string(), z.string()), report: reportSchema });

function octetTune(...flags: string[]): Promise<{ readonly code: number; readonly out: string; readonly err: string }> {
  const program = path.join(distFolder, 'src/server/main.js');
  const args = ['tune', '--model', demoModel, '--weights', 'file', '--weights-cache', folder, ...shape, ...flags];
  return new Promise((resolve) => {
    execFile(process.execPath, [program, ...args], (error, out, err) =>
      resolve({ code: typeof error?.code === 'number' ? error.code : 0, out, err }),
    );
  });
}

test('what a short run finds is kept, and serves', async () => {
  // One kernel thread, as the servers of the tests have.
  const ran = await octetTune('--threads', '1', '--batch-threads', '1', '--seconds', '1', '--json');
  expect(ran).toMatchObject({ code: 0 });
  const found = printed.parse(JSON.parse(ran.out));
  expect(found.identity).toMatchObject({ 'KV type': 'q8_0', 'GPU layers': 'all', platform: expect.any(String) });
  expect(found.report.loads.map(({ name }) => name)).toEqual(['decode-1', 'decode-2', 'prompt']);
  for (const { cost } of found.report.loads) expect(cost).toBeGreaterThan(0.01);
  expect(found.report.trials.map(({ knob }) => knob)).not.toContain('threads');

  // Whatever a second has found: a value that can be recognised.
  const kept: unknown = JSON.parse(readFileSync(found.path, 'utf8'));
  const layouts = layoutsFor(found.report, 0.1);
  const recognised = { ...found.report, settings: { microBatch: 96, threads: 2 }, layouts };
  writeFileSync(found.path, JSON.stringify({ ...z.looseObject({}).parse(kept), report: recognised }));
  const server = await serverForTest(['--weights-cache', folder, ...shape, '--tuned']);
  const told = await (await fetch(`${server.url}/v1/octet/tuning`)).json();
  expect(told).toMatchObject({ tuned: true, settings: { microBatch: 96 }, overridden: ['threads'] });
  expect(await server.logged('settings')).toMatchObject({ settings: { microBatch: 96, threads: 1 } });
  // Steps of the pool that take a tenth of what they took are worth another layout than the rule's.
  expect(await server.logged('ready')).toMatchObject({
    capacity: {
      kvLayout: 'pooled',
      kvLayoutChoice: {
        basis: 'measurement',
        reason: expect.stringMatching(/^measured by octet tune: for 2 streams of/),
      },
    },
  });
  const metrics = await (await fetch(`${server.url}/metrics`)).text();
  expect(metrics).toMatch(/octet_model_info\{.*kv_layout="pooled",kv_layout_basis="measurement"\} 1/);
  expect(metrics).toMatch(/octet_kv_layout_predicted_tokens_per_second\{kv_layout="per-sequence"\} \d/);
  expect(await textOf(server.url, { prompt: 'Once upon a time', temperature: 0, max_tokens: 8 })).not.toBe('');
});

/** What was measured, had the pool's steps taken so much of it, in three rounds that agree. */
function layoutsFor({ layouts }: TuningReport, poolShare: number): TuningReport['layouts'] {
  if (layouts?.kind !== 'measured') return expect.fail(`both layouts were to be measured: ${layouts?.reason}`);
  const { evidence } = layouts;
  const times = (ms: number) => [ms, ms, ms];
  const scaled = (steps: typeof evidence.steps.pooled, share: number) =>
    steps.map((step) => ({ ...step, ms: times(share * (step.ms[0] ?? 1)) }));
  const { pooled, 'per-sequence': slabs } = evidence.steps;
  const steps = { pooled: scaled(pooled, poolShare), 'per-sequence': scaled(slabs, 1) };
  return { ...layouts, evidence: { ...evidence, noise: 0.01, steps } };
}

test('knobs that a file sets stay, and without any left nothing is run', async () => {
  const config = path.join(import.meta.dirname, '../../config/default.json');
  const ran = await octetTune('--config', config, '--kv-layout', 'pooled');
  expect(ran).toMatchObject({ code: 1, out: '' });
  expect(ran.err).toMatch(
    /left as set: threads \(.*default\.json.*\), batchThreads .*\n.*every knob is set, and the KV/,
  );
});

test('every fault of the described load is told at once', async () => {
  const ran = await octetTune('--streams', '0', '--prompt-tokens', 'x', '--seconds', '0');
  expect(ran.code).not.toBe(0);
  expect(ran.err).toMatch(
    /--seconds must be .*Given: 0.*--streams must be .*Given: 0.*--prompt-tokens must be .*Given: x/,
  );
  const long = await octetTune('--prompt-tokens', '400', '--output-tokens', '200');
  expect(long.err).toMatch(/must be <= 512 tokens together, the longest that a sequence may be\. Given: 600/);
});
