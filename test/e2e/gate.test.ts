// The precision gate of a real server: what it measures, keeps, refuses, accepts and falls back to.

import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { type Answers, makeReport } from '../precision/gate/reports.ts';
import { textOf } from './client.ts';
import { demoModel, distFolder, root, serverForTest } from './server.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'octet-e2e-gate-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const gateFlags = (...flags: string[]) => ['--weights-cache', folder, '--gate-tokens', '512', ...flags];
const bodySchema = z.object({
  weights: z.string(),
  kv: z.object({ k: z.string(), v: z.string() }),
  kv_requested: z.object({ k: z.string(), v: z.string() }),
  gate: z.object({ mode: z.string(), verdict: z.string(), reason: z.string() }),
  canary: z.object({ tokens: z.number(), divergence: z.object({ mean: z.number() }), cached: z.boolean() }).nullable(),
  climbed: z.array(z.object({ kv: z.object({ k: z.string(), v: z.string() }) })),
});

async function precisionOf(url: string) {
  return bodySchema.parse(await (await fetch(`${url}/v1/octet/precision`)).json());
}

async function metricsOf(url: string): Promise<string> {
  return (await fetch(`${url}/metrics`)).text();
}

test('a start measures its KV type, and the next one finds the numbers', async () => {
  const flags = gateFlags('--gate', 'warn');
  const first = await serverForTest(flags);
  const measured = await precisionOf(first.url);
  expect(measured).toMatchObject({
    weights: 'f16',
    kv: { k: 'q8_0', v: 'q8_0' },
    gate: { mode: 'warn', verdict: 'passed' },
    canary: { tokens: 479, cached: false },
  });
  expect(measured.canary?.divergence.mean).toBeGreaterThan(0);
  const labels = 'weights="f16",kv_type_k="q8_0",kv_type_v="q8_0"';
  const text = await metricsOf(first.url);
  expect(text).toContain(`octet_gate_divergence_nats{${labels}} ${measured.canary?.divergence.mean}`);
  expect(text).toContain(`octet_gate_info{${labels},mode="warn",verdict="passed"} 1`);
  await first.stop();

  const second = await serverForTest(gateFlags('--gate', 'refuse'));
  const found = await precisionOf(second.url);
  expect(found.canary).toEqual({ ...measured.canary, cached: true });
  await second.stop();
  // The same numbers under another limit.
  const strict = serverForTest(gateFlags('--gate', 'refuse', '--gate-divergence-max', '0.000001'), {
    waitFor: 'ready',
  });
  await expect(strict).rejects.toThrow(/the gate refuses q8_0 KV: the mean divergence must be at most 0\.000001 nats/);
});

/** HellaSwag items that no number format can make a teller of children's stories get wrong. */
function plainItems(count: number): string {
  const names = ['Lily', 'Tom', 'Ben', 'Mia', 'Sam', 'Anna', 'Max', 'Sue', 'Tim', 'Lucy'];
  const places = ['park', 'garden', 'forest', 'house', 'beach', 'farm', 'zoo', 'shop', 'school', 'kitchen'];
  const items = Array.from({ length: count }, (_, index) => {
    const [name, place] = [names[index % names.length], places[Math.floor(index / names.length) % places.length]];
    const story = `Once upon a time, ${name} went to the ${place}. ${name} was very`;
    return [story, '0', 'happy.', 'the of.', 'and was.', 'is they.'].join('\n');
  });
  return `${items.join('\n')}\n`;
}

function octetEvaluate(...args: string[]): Promise<void> {
  const program = path.join(distFolder, 'src/server/main.js');
  return new Promise((resolve, reject) => {
    execFile(process.execPath, [program, 'evaluate', '--threads', '1', ...args], (error, _, err) =>
      error === null ? resolve() : reject(new Error(err)),
    );
  });
}

describe('int4 KV', () => {
  const flags = (...more: string[]) => gateFlags('--kv', 'q8_0:q4_0', ...more);

  function report(name: string, answers: Answers, sha256?: string): string {
    const file = path.join(folder, name);
    const own = createHash('sha256').update(readFileSync(demoModel)).digest('hex');
    const served = { sha256: sha256 ?? own, kv: { k: 'q8_0', v: 'q4_0' } } as const;
    writeFileSync(file, JSON.stringify(makeReport(served, answers)));
    return file;
  }

  test('is refused by default, and the message tells what to do', async () => {
    const refused = serverForTest(flags('--gate', 'warn')).catch((error: unknown) => String(error));
    const said = await refused;
    expect(said).toContain('int4 KV (q8_0:q4_0) is refused until an evaluation of this model file speaks for it');
    expect(said).toContain(`octet evaluate --model ${demoModel} --kv f16,q8_0:q4_0 --suite quick --json report.json`);
  });

  test('is served with the report that octet evaluate makes', async () => {
    const items = path.join(folder, 'items.txt');
    writeFileSync(items, plainItems(100));
    const file = path.join(folder, 'evaluated.json');
    await octetEvaluate('--kv', 'f16,q8_0:q4_0', '--tasks', `hellaswag:${items}`, '--metrics', 'tasks', '--json', file);
    const server = await serverForTest(flags('--gate', 'refuse', '--accept-evaluation', file));
    const status = await precisionOf(server.url);
    expect(status).toMatchObject({ kv: { k: 'q8_0', v: 'q4_0' }, gate: { verdict: 'accepted' } });
    expect(status.gate.reason).toMatch(/\d answers gained and \d lost of 100/);
    expect(status.canary?.divergence.mean).toBeGreaterThan(0.01);
    expect(await server.logged('ready')).toMatchObject({ capacity: { kvTypeK: 'q8_0', kvTypeV: 'q4_0' } });
  });

  test.each([
    [
      'failing.json',
      { count: 180, gained: 1, lost: 33 },
      undefined,
      /loss of accuracy must be at most 2\.0 %\. It is: 17\.8 %/,
    ],
    [
      'other.json',
      { count: 180, gained: 2, lost: 4 },
      'b'.repeat(64),
      /does not speak for q8_0:q4_0 KV: it is of another model file/,
    ],
  ])('is not served with %s', async (name, answers, sha256, message) => {
    const file = report(name, answers, sha256);
    await expect(serverForTest(flags('--gate', 'fallback', '--accept-evaluation', file))).rejects.toThrow(message);
  });

  test('falls back to the next finer type, which is what serves', async () => {
    const server = await serverForTest(flags('--gate', 'fallback'));
    const status = await precisionOf(server.url);
    expect(status).toMatchObject({
      kv: { k: 'q8_0', v: 'q5_0' },
      kv_requested: { k: 'q8_0', v: 'q4_0' },
      gate: { verdict: 'passed' },
      climbed: [{ kv: { k: 'q8_0', v: 'q4_0' } }],
    });
    expect(await server.logged('ready')).toMatchObject({ capacity: { kvTypeK: 'q8_0', kvTypeV: 'q5_0' } });
    expect(await textOf(server.url, { prompt: 'Once upon a time', temperature: 0, max_tokens: 8 })).not.toBe('');
  });
});

describe('a canary that breaks', () => {
  const env = { OCTET_CANARY_ENTRY: path.join(root, 'test/fixtures/broken-canary.mjs') };
  // No earlier start may have kept numbers under these.
  const flags = (mode: string) => gateFlags('--gate', mode, '--kv', 'q5_1');

  test('does not keep the server from starting', async () => {
    const server = await serverForTest(flags('warn'), { env });
    expect((await precisionOf(server.url)).gate).toMatchObject({
      verdict: 'unmeasured',
      reason: expect.stringMatching(/the canary failed: .*SIGABRT.*GGML_ASSERT/s),
    });
    expect(await metricsOf(server.url)).toContain('octet_gate_failures_total 1');
  });

  test('does where the gate refuses', async () => {
    await expect(serverForTest(flags('refuse'), { env })).rejects.toThrow(
      /the gate refuses q5_1 KV: the canary failed/,
    );
  });
});
