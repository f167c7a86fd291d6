// `octet tune` on the embedded model in a second, and a server that uses what it found.

import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { reportSchema } from '../../src/server/tune/report.ts';
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
  const recognised = { ...found.report, settings: { microBatch: 96, threads: 2 } };
  writeFileSync(found.path, JSON.stringify({ ...z.looseObject({}).parse(kept), report: recognised }));
  const server = await serverForTest(['--weights-cache', folder, ...shape, '--tuned']);
  const told = await (await fetch(`${server.url}/v1/octet/tuning`)).json();
  expect(told).toMatchObject({ tuned: true, settings: { microBatch: 96 }, overridden: ['threads'] });
  expect(await server.logged('settings')).toMatchObject({ settings: { microBatch: 96, threads: 1 } });
  expect(await textOf(server.url, { prompt: 'Once upon a time', temperature: 0, max_tokens: 8 })).not.toBe('');
});

test('knobs that a file sets stay, and without any left nothing is run', async () => {
  const ran = await octetTune('--config', path.join(import.meta.dirname, '../../config/default.json'));
  expect(ran).toMatchObject({ code: 1, out: '' });
  expect(ran.err).toMatch(
    /left as set: threads \(.*default\.json.*\), batchThreads .*\n.*every knob is set, so that there is/,
  );
});
