// Errors: each code documented, each status with OpenAI's body.

import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { must } from '../../src/assert.ts';
import { errorRules } from '../../src/errors.ts';
import { createKeyRing } from '../../src/server/auth.ts';
import { appOfEachTest } from '../fakes/app-of-each-test.ts';
import type { TestAppOptions } from '../fakes/http-app.ts';

const { open, opened } = appOfEachTest({ answer: 'ok' });

interface WireError {
  readonly message: string;
  readonly type: string;
  readonly param: string | null;
  readonly code: string;
}

async function refusedChat(fields: object): Promise<WireError & { status: number }> {
  const { app } = opened();
  const payload = { messages: [{ role: 'user', content: 'hello' }], ...fields };
  const response = await app.inject({ method: 'POST', url: '/v1/chat/completions', payload });
  return { status: response.statusCode, ...response.json().error };
}
const json = { 'content-type': 'application/json' };

describe('docs/ERRORS.md', () => {
  it('documents exactly the codes there are, as the table has them', () => {
    const text = readFileSync(new URL('../../docs/ERRORS.md', import.meta.url), 'utf8');
    const rows = [...text.matchAll(/^\| `(\w+)` \| (\d+) \| `(\w+)` \| (yes|no) \| (.+) \|$/gm)];
    const documented = Object.fromEntries(
      rows.map(([, code, status, type, retry, meaning]) => [
        code,
        { status: Number(status), type, retryable: retry === 'yes', meaning },
      ]),
    );
    expect(documented).toEqual(errorRules);
    expect(rows).toHaveLength(Object.keys(errorRules).length);
  });
});

describe('HTTP', () => {
  it.each([
    ['not JSON', '{"a":', json, 400, 'invalid_json'],
    ['an empty body', '', json, 400, 'invalid_json'],
    ['UTF-16', Buffer.from('{}', 'utf16le'), json, 400, 'invalid_json'],
    ['broken UTF-8', Buffer.from([0x7b, 0xff, 0x7d]), json, 400, 'invalid_json'],
    ['65 levels', `${'['.repeat(65)}${']'.repeat(65)}`, json, 400, 'invalid_json'],
    ['a string', '"[[[["', json, 400, 'invalid_request'],
    ['null', 'null', json, 400, 'invalid_request'],
    ['plain text', 'hello', { 'content-type': 'text/plain' }, 415, 'unsupported_media_type'],
    ['gzip', 'hello', { ...json, 'content-encoding': 'gzip' }, 415, 'unsupported_media_type'],
    ['a large body', JSON.stringify({ prompt: 'a'.repeat(2000) }), json, 413, 'body_too_large'],
  ])('answers %s', async (_, payload, headers, status, code) => {
    const { app } = await open({ bodyBytesMax: 1000 });
    const response = await app.inject({ method: 'POST', url: '/v1/completions', payload, headers });
    expect([response.statusCode, response.json().error.code]).toEqual([status, code]);
  });

  it('does not spend seconds on ten megabytes of brackets', async () => {
    const { app } = await open();
    const payload = `${'['.repeat(5_000_000)}${']'.repeat(5_000_000)}`;
    const startMs = performance.now();
    const response = await app.inject({ method: 'POST', url: '/v1/completions', payload, headers: json });
    expect(response.json().error.message).toBe('The body is nested deeper than 64 levels.');
    expect(performance.now() - startMs).toBeLessThan(1000);
  });

  it.each([
    ['GET', '/nope', 404, 'not_found', undefined],
    ['POST', '/nope', 404, 'not_found', undefined],
    ['GET', '/v1/chat/completions', 405, 'method_not_allowed', 'POST'],
    ['DELETE', '/v1/models/org/demo:q8', 405, 'method_not_allowed', 'GET, HEAD'],
    ['POST', '/health?x=1', 405, 'method_not_allowed', 'GET, HEAD'],
    ['OPTIONS', '/v1/models', 405, 'method_not_allowed', 'GET, HEAD'],
    ['GET', '/v1/models/%zz', 400, 'invalid_request', undefined],
    ['GET', '/v1/models/unknown', 404, 'model_not_found', undefined],
  ] as const)('answers %s %s', async (method, url, status, code, allow) => {
    const { app } = await open();
    const response = await app.inject({ method, url, ...(method === 'POST' ? { payload: 'x' } : {}) });
    expect([response.statusCode, response.json().error.code]).toEqual([status, code]);
    expect(response.headers.allow).toBe(allow);
    expect(response.headers['x-request-id']).toMatch(/^req-/);
  });

  it('names the models there are when another is asked for', async () => {
    await open();
    expect(await refusedChat({ model: 'gpt-9' })).toMatchObject({
      status: 404,
      type: 'not_found_error',
      param: 'model',
      code: 'model_not_found',
      message: 'model must be one of "org/demo:q8", "alias". Given: "gpt-9"',
    });
  });

  it('passes refusals of the engine on, with retry-after', async () => {
    const { app, engine } = await open();
    const ask = () => app.inject({ method: 'POST', url: '/v1/completions', payload: { prompt: 'a' } });
    engine.refuseWith({ code: 'queue_full', message: 'full', param: null, retryAfterSeconds: 0.2 });
    const full = await ask();
    expect([full.statusCode, full.headers['retry-after']]).toEqual([429, '1']);
    engine.refuseWith({ code: 'shutting_down', message: 'draining', param: null, retryAfterSeconds: 30 });
    const draining = await ask();
    expect([draining.statusCode, draining.headers['retry-after'], draining.headers.connection]).toEqual([
      503,
      '30',
      'close',
    ]);
  });

  it('says 503 while the model loads', async () => {
    const { app, engine } = await open();
    engine.setCapacity(undefined);
    engine.setStatus({ kind: 'loading', fraction: 0.426 });
    const response = await app.inject({ method: 'POST', url: '/v1/completions', payload: { prompt: 'a' } });
    expect(response.statusCode).toBe(503);
    expect(response.headers['retry-after']).toBe('5');
    expect(response.json().error).toMatchObject({
      code: 'engine_unavailable',
      message: 'The model is not ready: 42 % loaded.',
    });
  });

  it('answers a bug with 500 and no details', async () => {
    const { app, engine } = await open();
    engine.capacity = () => {
      throw new Error('secret detail');
    };
    const response = await app.inject({ method: 'POST', url: '/v1/completions', payload: { prompt: 'a' } });
    expect(response.statusCode).toBe(500);
    expect(response.json().error.code).toBe('internal_error');
    expect(response.body).not.toContain('secret');
  });

  it('asks for API keys where they are set, but not on probes', async () => {
    const { app, engine } = await open(withKeys(['key-one', 'key-two']));
    const ask = (authorization?: string) =>
      app.inject({
        method: 'POST',
        url: '/v1/completions',
        payload: { prompt: 'a' },
        headers: authorization === undefined ? {} : { authorization },
      });
    for (const wrong of [
      undefined,
      'key-one',
      'Bearer',
      'Bearer ',
      'Bearer key-on',
      'Bearer key-one x',
      'Basic key-one',
    ]) {
      const response = await ask(wrong);
      expect([wrong, response.statusCode]).toEqual([wrong, 401]);
      expect(response.json().error).toMatchObject({
        type: 'authentication_error',
        code: 'invalid_api_key',
        param: null,
      });
      expect(response.body).not.toContain('key-one');
    }
    expect((await ask('Bearer key-one')).statusCode).toBe(200);
    expect((await ask('bearer  key-two')).statusCode).toBe(200);
    const [one, two] = engine.commands.map(({ fairnessKey }) => fairnessKey);
    expect(one).toMatch(/^key:[0-9a-f]{16}$/);
    expect(two).not.toBe(one);
    for (const url of ['/health', '/livez', '/readyz', '/version', '/metrics']) {
      expect((await app.inject(url)).statusCode).toBe(200);
    }
    for (const url of ['/v1/models', '/v1/models/alias']) expect((await app.inject(url)).statusCode).toBe(401);
  });
});

function withKeys(keys: readonly string[]): TestAppOptions {
  return { keyRing: must(createKeyRing(keys), 'a ring of keys') };
}
