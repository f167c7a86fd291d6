// What the server refuses, with the status, the code and the numbers that tell a client what to change.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { complete, openStream } from './client.ts';
import { idle, metricReaches } from './metrics.ts';
import { chatText, storyQuestion } from './prompts.ts';
import { type RunningServer, serverForTest, startServer } from './server.ts';
import { eventually } from './waiting.ts';

const contextTokens = 512;
let server: RunningServer;
beforeAll(async () => {
  server = await startServer([
    ...['--sequences-max', '1', '--queue-requests-max', '2', '--queue-tokens-max', '300'],
    ...['--context', String(contextTokens), '--body-bytes-max', '64KiB'],
  ]);
});
afterAll(() => server.stop());

const running = { prompt: chatText(storyQuestion(0)), temperature: 0, ignore_eos: true, max_tokens: 450 };
const errorSchema = z.object({ error: z.object({ message: z.string(), code: z.string() }) });

async function refusal(path: string, init: RequestInit): Promise<{ status: number; code: string; headers: Headers }> {
  const response = await fetch(server.url + path, init);
  const { error } = errorSchema.parse(await response.json());
  return { status: response.status, code: error.code, headers: response.headers };
}

const post = (body: string, contentType = 'application/json'): RequestInit => ({
  method: 'POST',
  headers: { 'content-type': contentType },
  body,
});

describe('a full queue', () => {
  test('of requests is a 429 with the time to come back', async () => {
    const stream = openStream(server.url, running);
    await eventually('it streams', () => stream.text() !== '');
    const waiting = [openStream(server.url, running), openStream(server.url, running)];
    await metricReaches(server.url, 'octet_sequences_waiting', (value) => value === 2);
    const refused = await complete(server.url, running);
    expect([refused.status, refused.error?.code, refused.error?.type]).toEqual([429, 'queue_full', 'rate_limit_error']);
    expect(refused.error?.message).toMatch(/2 .*limit is 2/);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
    for (const open of [...waiting, stream]) open.abort();
    await idle(server.url);
    expect((await complete(server.url, { ...running, max_tokens: 2 })).status).toBe(200);
  });

  test('of tokens too, but a single long request may always wait', async () => {
    const stream = openStream(server.url, running);
    await eventually('it streams', () => stream.text() !== '');
    const long = { ...running, prompt: 'word '.repeat(350), max_tokens: 2 };
    const waiting = openStream(server.url, long);
    await metricReaches(server.url, 'octet_sequences_waiting', (value) => value === 1);
    const refused = await complete(server.url, long);
    expect([refused.status, refused.error?.code]).toEqual([429, 'queue_full']);
    expect(refused.error?.message).toMatch(/tokens are waiting, the limit is 300/);
    stream.abort();
    expect((await waiting.ended).kind).toBe('complete');
    await idle(server.url);
  });
});

test('a request that can never fit is told both numbers', async () => {
  const refused = await complete(server.url, { prompt: 'word '.repeat(400), max_tokens: 300 });
  expect([refused.status, refused.error?.code]).toEqual([400, 'context_length_exceeded']);
  expect(refused.error?.message).toMatch(new RegExp(`maximum context length is ${contextTokens} tokens`));
  expect(refused.error?.message).toMatch(/requested 7\d\d tokens \(4\d\d in prompt, 300 for the answer\)/);
  const whole = await complete(server.url, { prompt: 'word '.repeat(700) });
  expect([whole.status, whole.error?.code]).toEqual([400, 'context_length_exceeded']);
});

describe('a time limit', () => {
  test('of a request that is being answered is a 408, or an event in its stream', async () => {
    const limited = { ...running, timeout: 0.2 };
    const refused = await complete(server.url, limited);
    expect([refused.status, refused.error?.code, refused.error?.param]).toEqual([408, 'deadline_exceeded', 'timeout']);
    const stream = await openStream(server.url, limited).ended;
    expect([stream.kind, stream.error?.code]).toEqual(['error', 'deadline_exceeded']);
    await idle(server.url);
  });

  test('also ends the waiting', async () => {
    const stream = openStream(server.url, running);
    await eventually('it streams', () => stream.text() !== '');
    const refused = await complete(server.url, { ...running, timeout: 0.2 });
    expect([refused.status, refused.error?.code]).toEqual([408, 'deadline_exceeded']);
    stream.abort();
    await idle(server.url);
  });
});

describe('by its head or body', () => {
  const path = '/v1/completions';
  test.each([
    ['a body over the limit', path, post(JSON.stringify({ prompt: 'x'.repeat(70_000) })), 413, 'body_too_large'],
    ['another media type', path, post('prompt=x', 'text/plain'), 415, 'unsupported_media_type'],
    ['an unknown path', '/v1/nothing', post('{}'), 404, 'not_found'],
    ['another method', path, { method: 'DELETE' }, 405, 'method_not_allowed'],
    ['GET where POST is meant', '/v1/chat/completions', { method: 'GET' }, 405, 'method_not_allowed'],
    ['no JSON', path, post('{"prompt":'), 400, 'invalid_json'],
    ['a model that is not served', path, post('{"model":"other","prompt":"x"}'), 404, 'model_not_found'],
    ['headers over the limit', path, { headers: { 'x-long': 'x'.repeat(20_000) } }, 431, 'headers_too_large'],
  ])('%s', async (_, at, init: RequestInit, status, code) => {
    expect(await refusal(at, init)).toMatchObject({ status, code });
  });

  test('a refused method is told which ones there are', async () => {
    expect((await refusal(path, { method: 'PUT' })).headers.get('allow')).toBe('POST');
  });
});

test('API keys are asked for, but not by probes and scrapers', async () => {
  const locked = await serverForTest([], { env: { OCTET_API_KEYS: 'the-key' } });
  const status = async (path: string, key?: string): Promise<number> => {
    const headers = key === undefined ? {} : { authorization: `Bearer ${key}` };
    return (await fetch(locked.url + path, { headers })).status;
  };
  expect([await status('/v1/models'), await status('/v1/models', 'other')]).toEqual([401, 401]);
  expect(await status('/v1/models', 'the-key')).toBe(200);
  for (const path of ['/health', '/livez', '/readyz', '/metrics', '/version']) expect(await status(path)).toBe(200);
});
