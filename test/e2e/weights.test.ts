// Weights made at the start: int8 unless told otherwise, found again at the next start, never half made.

import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { complete, textOf } from './client.ts';
import { demoModel, serverForTest } from './server.ts';
import { eventually } from './waiting.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'octet-e2e-weights-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const cacheFlags = (name: string, ...flags: string[]) => ['--weights-cache', path.join(folder, name), ...flags];
const versionSchema = z.object({ weights: z.string() });
const versionOf = async (url: string) => versionSchema.parse(await (await fetch(`${url}/version`)).json());
const statusOf = async (url: string) => {
  const answer = await fetch(`${url}/readyz`);
  return [answer.status, await answer.json()];
};
const isPartial = (name: string) => name.endsWith('.partial');
const question = { prompt: 'Once upon a time', temperature: 0, max_tokens: 30 };

test('an F16 model is served at int8, made at the first start and found at the second', async () => {
  const flags = cacheFlags('default', '--weights', 'auto');
  const first = await serverForTest(flags);
  const made = await first.logged('weights ready');
  expect(made).toMatchObject({ weights: { label: 'q8_0', reused: false } });
  expect(await versionOf(first.url)).toEqual(expect.objectContaining({ weights: 'q8_0' }));
  const text = await textOf(first.url, question);
  expect(text.length).toBeGreaterThan(20);
  expect(await first.logged('ready')).toMatchObject({ capacity: { weightBytes: expect.any(Number) } });
  await first.stop();
  const second = await serverForTest(flags);
  expect(await second.logged('weights ready')).toMatchObject({ weights: { label: 'q8_0', reused: true } });
  expect(await textOf(second.url, question)).toBe(text);
  expect(readdirSync(path.join(folder, 'default')).filter((name) => name.endsWith('.gguf'))).toHaveLength(1);
});

test('other formats and recipes change what is served, and the fingerprint says so', async () => {
  const sizes: number[] = [];
  const fingerprints = new Set<string>();
  for (const weights of ['file', 'q4_k_m', 'int4-protected-edges']) {
    const server = await serverForTest(cacheFlags('formats', '--weights', weights));
    const ready = z.object({ capacity: z.object({ weightBytes: z.number() }) }).parse(await server.logged('ready'));
    sizes.push(ready.capacity.weightBytes);
    expect((await versionOf(server.url)).weights).toBe(weights === 'file' ? 'f16' : weights);
    const answer = await fetch(`${server.url}/v1/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(question),
    });
    fingerprints.add(z.object({ system_fingerprint: z.string() }).parse(await answer.json()).system_fingerprint);
    await server.stop();
  }
  const [file = 0, mix = 0, recipe = 0] = sizes;
  expect(mix).toBeLessThan(file / 2.5);
  expect(recipe).toBeLessThan(file / 2);
  expect(fingerprints.size).toBe(3);
});

describe('while the weights are being made', () => {
  /** The lock of another process, as the name of the entry that a first start made tells it. */
  async function lockedCache(name: string): Promise<string> {
    const cache = path.join(folder, name);
    const server = await serverForTest(cacheFlags(name, '--weights', 'q8_0'));
    const { weights } = z
      .object({ weights: z.object({ path: z.string() }) })
      .parse(await server.logged('weights ready'));
    await server.stop();
    rmSync(weights.path);
    writeFileSync(`${weights.path}.lock`, '');
    return path.join(cache, path.basename(weights.path));
  }

  test('the server answers that it is loading, and goes on when they are there', async () => {
    const entry = await lockedCache('waiting');
    const flags = cacheFlags('waiting', '--weights', 'q8_0');
    const server = await serverForTest(flags, { waitFor: 'listening' });
    expect(await statusOf(server.url)).toEqual([503, expect.objectContaining({ status: 'loading' })]);
    const refused = await complete(server.url, question);
    expect([refused.status, refused.error?.code]).toEqual([503, 'engine_unavailable']);
    rmSync(`${entry}.lock`);
    await server.logged('ready');
    expect((await complete(server.url, question)).status).toBe(200);
  });

  test('a signal ends it, and nothing unfinished stays', async () => {
    const cache = path.join(folder, 'ended');
    const flags = cacheFlags('ended', '--weights', 'q5_k_m');
    const server = await serverForTest(flags, { waitFor: 'listening' });
    await eventually('the file is begun', () => existsSync(cache) && readdirSync(cache).some(isPartial));
    server.signal('SIGTERM');
    expect(await server.exited).toBe(0);
    expect(readdirSync(cache).filter((name) => !name.endsWith('.json'))).toEqual([]);
  });
});

test('a wish that cannot be met ends the start, with the reason', async () => {
  const unknown = serverForTest(['--weights', 'q9_k'], { waitFor: 'listening' });
  await expect(unknown).rejects.toThrow(/weights must be auto, file .*Given: \\?"q9_k/s);
  const recipe = path.join(folder, 'odd.json');
  writeFileSync(recipe, JSON.stringify({ default: 'q4_0', rules: [{ tensors: 'atn_v', type: 'q8_0' }] }));
  const odd = serverForTest(['--model', demoModel, '--weights', recipe], { waitFor: 'listening' });
  await expect(odd).rejects.toThrow(/\\?"atn_v\\?" matches no tensor of this model. Near names: attn_v/);
});
