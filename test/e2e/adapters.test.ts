// LoRA adapters over the whole server: each answers as a model with its change merged in, beside the others and after a crash.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { must } from '../../src/assert.ts';
import { randomChanges, writeAdapter, writeMergedModel } from '../adapter-files.ts';
import { type Body, complete, type OpenStream, openStream } from './client.ts';
import { expectAlike } from './likeness.ts';
import { idle, readMetrics } from './metrics.ts';
import { createOracle, type Oracle } from './oracle.ts';
import { storyPrompt } from './prompts.ts';
import { demoModel, type RunningServer, serverForTest, startServer } from './server.ts';
import { eventually } from './waiting.ts';

const base = 'octet-demo-f16';
const targets = ['blk.1.ffn_down.weight', 'blk.2.attn_q.weight', 'blk.4.attn_v.weight', 'blk.5.ffn_up.weight'];
const tokenCount = 60;
/** Texts that parted from those of the request alone, which must be few of a handful. */
const partedMax = 2;

const folder = mkdtempSync(join(tmpdir(), 'octet-adapters-'));
const file = (name: string): string => join(folder, `${name}.gguf`);
const flags = ['zero', 'tilt', 'lean:0.5'].flatMap((wish) => {
  const [name = '', scale] = wish.split(':');
  return ['--lora', `${name}=${file(name)}${scale === undefined ? '' : `:${scale}`}`];
});

let server: RunningServer;
/** What each model id must answer: the model itself, or one with the change in its weights. */
const oracles = new Map<string, Oracle>();

beforeAll(async () => {
  const tilt = await randomChanges(demoModel, targets, { seed: 3, size: 0.1 });
  const lean = await randomChanges(demoModel, targets, { seed: 5, size: 0.1 });
  await writeAdapter(file('zero'), await randomChanges(demoModel, targets, { seed: 3, size: 0 }));
  await writeAdapter(file('tilt'), tilt);
  await writeAdapter(file('lean'), lean, { alpha: 2 });
  await writeMergedModel(file('tilt-merged'), demoModel, { changes: tilt, scale: 1 });
  await writeMergedModel(file('lean-merged'), demoModel, { changes: lean, scale: 1 });
  server = await startServer(flags);
  const plain = await createOracle(demoModel);
  oracles.set(base, plain).set(`${base}:zero`, plain);
  oracles.set(`${base}:tilt`, await createOracle(file('tilt-merged')));
  oracles.set(`${base}:lean`, await createOracle(file('lean-merged')));
});
afterAll(async () => {
  for (const oracle of new Set(oracles.values())) oracle.dispose();
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
});

const ids = (): readonly string[] => [...oracles.keys()];
const oracleOf = (id: string): Oracle => must(oracles.get(id), 'a served id');
const promptOf = (id: string): Int32Array => storyPrompt(oracleOf(id).tokenizer, 0);
const bodyOf = (model: string): Body => ({
  model,
  prompt: [...promptOf(model)],
  temperature: 0,
  max_tokens: tokenCount,
  ignore_eos: true,
});

async function expectOwnTexts(answers: readonly { readonly id: string; readonly text: string }[]): Promise<void> {
  for (const { id, text } of answers) {
    const alone = await oracleOf(id).textOf(promptOf(id), tokenCount);
    await expectAlike(oracleOf(id), [{ prompt: promptOf(id), text, alone }], partedMax);
  }
}

const openAll = (url: string): OpenStream[] => ids().map((id) => openStream(url, bodyOf(id)));

async function textsOf(streams: readonly OpenStream[]) {
  const ends = await Promise.all(streams.map(({ ended }) => ended));
  expect(ends.map(({ kind, finishReason }) => [kind, finishReason])).toEqual(ends.map(() => ['complete', 'length']));
  return ends.map(({ text }, index) => ({ id: ids()[index] ?? '', text }));
}

/** The labels of the metric that routers read. */
async function adaptersInUse(url: string): Promise<{ running: readonly string[]; most: string | undefined }> {
  const series = must(
    [...(await readMetrics(url)).keys()].find((name) => name.startsWith('vllm:lora_requests_info{')),
    'the metric is there',
  );
  const running = /running_lora_adapters="([^"]*)"/.exec(series)?.[1] ?? '';
  return { running: running.split(',').filter((id) => id !== ''), most: /max_lora="(\d+)"/.exec(series)?.[1] };
}

describe('base and adapters at once', () => {
  test('each gets the text of its own weights, and the metric tells which are in use', async () => {
    const streams = openAll(server.url);
    await eventually('all adapters are in use', async () => (await adaptersInUse(server.url)).running.length === 3);
    const answers = await textsOf(streams);
    await expectOwnTexts(answers);
    const texts = new Map(answers.map(({ id, text }) => [id, text]));
    expect(new Set([base, `${base}:tilt`, `${base}:lean`].map((id) => texts.get(id))).size).toBe(3);
    await idle(server.url);
    expect(await adaptersInUse(server.url)).toEqual({ running: [], most: '3' });
  });

  test('no prefix is shared between them, and each finds its own again', async () => {
    const cachedOf = async (id: string): Promise<number> => {
      const { usage } = await complete(server.url, { ...bodyOf(id), max_tokens: 1, cache_salt: 'one' });
      return usage?.prompt_tokens_details.cached_tokens ?? -1;
    };
    for (const id of ids()) expect(await cachedOf(id), id).toBe(0);
    for (const id of ids()) expect(await cachedOf(id), id).toBeGreaterThan(0);
  });

  test('streams go on with their adapter when the engine is killed', async () => {
    const own = await serverForTest(flags);
    const streams = openAll(own.url);
    await eventually('every stream has begun', () => streams.every((stream) => stream.text().length > 10));
    process.kill(own.enginePid(), 'SIGKILL');
    await expectOwnTexts(await textsOf(streams));
    expect((await readMetrics(own.url)).get('octet_engine_restarts_total')).toBe(1);
  });
});

test('models lists them with their parent, and another name is a 404 that lists the names', async () => {
  const { data } = (await (await fetch(`${server.url}/v1/models`)).json()) as { data: Record<string, unknown>[] };
  expect(data.map(({ id, root, parent }) => [id, root, parent])).toEqual([
    [base, base, null],
    ...['zero', 'tilt', 'lean'].map((name) => [`${base}:${name}`, file(name), base]),
  ]);
  const { status, error } = await complete(server.url, { ...bodyOf(`${base}:tilt`), model: `${base}:nobody` });
  expect([status, error?.code]).toEqual([404, 'model_not_found']);
  for (const id of ids()) expect(error?.message).toContain(JSON.stringify(id));
});

test('an adapter changes weights that are made for serving as well', async () => {
  const made = await serverForTest([...flags, '--weights', 'q4_0', '--weights-cache', join(folder, 'weights')]);
  const textOf = async (id: string): Promise<string> => (await complete(made.url, bodyOf(id))).text;
  const [plain, zero, tilt] = [await textOf(base), await textOf(`${base}:zero`), await textOf(`${base}:tilt`)];
  expect(zero).toBe(plain);
  expect(tilt).not.toBe(plain);
  const { memory } = (await made.logged('ready'))['capacity'] as {
    memory: { rows: { part: string; detail: string }[] };
  };
  expect(memory.rows).toContainEqual(expect.objectContaining({ part: 'adapters', detail: 'zero, tilt, lean' }));
});

test('what cannot be served refuses the start: all of it at once, with names and paths', async () => {
  const wrong = ['--lora', `gone=${file('gone')}`, '--lora', `model=${demoModel}`];
  const failure = await startServer([...flags, ...wrong]).then(
    () => 'it started',
    (error: unknown) => String(error),
  );
  expect(failure).toContain(`the adapter gone (${file('gone')}) cannot be served`);
  expect(failure).toContain(`the adapter model (${demoModel}) cannot be served with the model ${demoModel}`);
  expect(failure).toContain('it is no adapter');
});
