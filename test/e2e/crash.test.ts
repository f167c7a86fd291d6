// Engines that die or hang under open streams: the streams go on in the next engine, with the text they would have had.

import { fork } from 'node:child_process';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Body, type OpenStream, openStream, type StreamEnd } from './client.ts';
import { expectAlike } from './likeness.ts';
import { idle, metric, valueIn } from './metrics.ts';
import { createOracle, type Oracle } from './oracle.ts';
import { storyPrompt } from './prompts.ts';
import { demoModel, distFolder, type RunningServer, serverForTest } from './server.ts';
import { eventually } from './waiting.ts';

const streamCount = 16;
const tokenCount = 120;

let oracle: Oracle;
let prompts: Int32Array[];
let alone: string[];
beforeAll(async () => {
  oracle = await createOracle(demoModel);
  prompts = Array.from({ length: streamCount }, (_, index) => storyPrompt(oracle.tokenizer, index));
  alone = [];
  for (const prompt of prompts) alone.push(await oracle.textOf(prompt, tokenCount));
});
afterAll(() => oracle.dispose());

const body = (prompt: Int32Array): Body => ({
  prompt: [...prompt],
  temperature: 0,
  max_tokens: tokenCount,
  ignore_eos: true,
  stream_options: { include_usage: true },
});

const statusOf = async (server: RunningServer, path: string): Promise<number> =>
  (await fetch(`${server.url}${path}`)).status;

async function openAll(server: RunningServer, count: number): Promise<OpenStream[]> {
  const streams = prompts.slice(0, count).map((prompt) => openStream(server.url, body(prompt)));
  await eventually('every stream has begun', () => streams.every((stream) => stream.text().length > 10));
  return streams;
}

async function expectAsIfUndisturbed(streams: readonly OpenStream[]): Promise<void> {
  const ends = await Promise.all(streams.map(({ ended }) => ended));
  expect(ends.map(({ kind, finishReason, usage }) => [kind, finishReason, usage?.completion_tokens])).toEqual(
    ends.map(() => ['complete', 'length', tokenCount]),
  );
  await expectAlike(
    oracle,
    ends.map(({ text }, index) => ({ prompt: prompts[index] ?? new Int32Array(), text, alone: alone[index] ?? '' })),
    Math.ceil((streams.length * 3) / 4),
  );
}

const restarts = (server: RunningServer): Promise<number> => metric(server.url, 'octet_engine_restarts_total');

describe('an engine that is killed under 16 open streams', () => {
  test('is replaced, and every stream ends with the text of an undisturbed run', async () => {
    const server = await serverForTest(['--sequences-max', String(streamCount)]);
    const streams = await openAll(server, streamCount);
    const firstEngine = server.enginePid();
    process.kill(firstEngine, 'SIGKILL');
    await eventually('it is not ready', async () => (await statusOf(server, '/readyz')) === 503);
    expect(await statusOf(server, '/livez')).toBe(200);
    await eventually('it is ready again', async () => (await statusOf(server, '/readyz')) === 200);
    expect(server.enginePid()).not.toBe(firstEngine);
    await expectAsIfUndisturbed(streams);
    const metrics = await idle(server.url);
    expect(valueIn(metrics, 'octet_engine_restarts_total')).toBe(1);
    expect(valueIn(metrics, 'octet_requests_accepted_total')).toBe(streamCount);
  });

  test('twice: all are innocent, and all are heard to the end', async () => {
    const server = await serverForTest(['--sequences-max', String(streamCount)]);
    const streams = await openAll(server, streamCount);
    for (const restartCount of [1, 2]) {
      const lengths = streams.map((stream) => stream.text().length);
      process.kill(server.enginePid(), 'SIGKILL');
      await eventually('another engine runs', async () => (await restarts(server)) === restartCount);
      await eventually('it is ready', async () => (await statusOf(server, '/readyz')) === 200);
      await eventually('a stream goes on', () =>
        streams.some((stream, index) => stream.text().length > (lengths[index] ?? 0)),
      );
    }
    await expectAsIfUndisturbed(streams);
    await idle(server.url);
  });
});

test('requests that come while there is no engine wait for the next one', async () => {
  const server = await serverForTest([]);
  process.kill(server.enginePid(), 'SIGKILL');
  await eventually('it is not ready', async () => (await statusOf(server, '/readyz')) === 503);
  await expectAsIfUndisturbed(prompts.slice(0, 2).map((prompt) => openStream(server.url, body(prompt))));
});

test('clients that leave while there is no engine leave nothing behind', async () => {
  const server = await serverForTest([]);
  const streams = await openAll(server, 4);
  process.kill(server.enginePid(), 'SIGKILL');
  await eventually('it is not ready', async () => (await statusOf(server, '/readyz')) === 503);
  for (const stream of streams.slice(0, 3)) stream.abort();
  const [last] = await Promise.all(streams.slice(3).map(({ ended }) => ended));
  expect(last?.kind).toBe('complete');
  await idle(server.url);
});

test('an engine that hangs is killed and replaced', async () => {
  const server = await serverForTest(['--engine-heartbeat-seconds', '2']);
  const streams = await openAll(server, 2);
  process.kill(server.enginePid(), 'SIGSTOP');
  await eventually('another engine runs', async () => (await restarts(server)) === 1);
  await expectAsIfUndisturbed(streams);
});

test('a sampled answer goes on with the draws that its seed gives', async () => {
  const server = await serverForTest([]);
  const sampled = (seed: number): Body => ({
    ...body(storyPrompt(oracle.tokenizer, 0)),
    temperature: 0.7,
    max_tokens: 60,
    seed,
    cache_salt: `seed ${seed}`,
  });
  const seeds = [1, 2, 3, 4];
  const undisturbed: StreamEnd[] = [];
  for (const seed of seeds) undisturbed.push(await openStream(server.url, sampled(seed)).ended);
  const disturbed: StreamEnd[] = [];
  for (const seed of seeds) {
    const stream = openStream(server.url, sampled(seed));
    await eventually('it streams', () => stream.text().length > 10);
    process.kill(server.enginePid(), 'SIGKILL');
    disturbed.push(await stream.ended);
  }
  expect(disturbed.map(({ kind }) => kind)).toEqual(seeds.map(() => 'complete'));
  // A draw may stand on a knife's edge, where rounding turns it; draws of another generator would never repeat a text.
  const same = disturbed.filter(({ text }, index) => text === undisturbed[index]?.text);
  expect(same.length).toBeGreaterThanOrEqual(1);
});

test('an engine does not outlive its server', async () => {
  const server = await serverForTest([]);
  await openAll(server, 2);
  const engine = server.enginePid();
  server.signal('SIGKILL');
  await server.exited;
  await eventually('the engine is gone', () => !isAlive(engine));
});

test('nor one that was only starting when its server ended', async () => {
  const entry = path.join(distFolder, 'src/server/engine/engine-main.js');
  const engine = fork(entry, [], { stdio: ['ignore', 'ignore', 'ignore', 'ipc'], serialization: 'advanced' });
  const exited = new Promise((resolve) => engine.once('exit', resolve));
  engine.disconnect();
  const timer = setTimeout(() => engine.kill('SIGKILL'), 60_000);
  expect(await exited).toBe(0);
  clearTimeout(timer);
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
