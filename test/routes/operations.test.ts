// Probes, models, request ids, CORS and logs.

import pino from 'pino';
import { describe, expect, it } from 'vitest';
import { appOfEachTest } from '../fakes/app-of-each-test.ts';
import { type TestAppOptions, testModel, testPrecision } from '../fakes/http-app.ts';
import { numbersOf } from '../precision/gate/canaries.ts';

const { open, opened } = appOfEachTest({ answer: 'the answer' });

async function get(url: string) {
  const response = await opened().app.inject(url);
  return [response.statusCode, response.json()];
}

describe('precision', () => {
  it('tells formats, verdict and numbers', async () => {
    await open();
    expect(await get('/v1/octet/precision')).toEqual([
      200,
      {
        object: 'octet.precision',
        model: testModel,
        weights: 'q8_0',
        kv: { k: 'q8_0', v: 'q8_0' },
        kv_requested: { k: 'q8_0', v: 'q8_0' },
        gate: {
          mode: 'warn',
          verdict: 'pending',
          reason: 'not yet',
          limits: { divergence_max: 0.05, top_agreement_min: 0.85 },
        },
        canary: null,
        climbed: [],
      },
    ]);
  });

  it('tells whether tuned values are in use, and what they gain', async () => {
    await open();
    expect(await get('/v1/octet/tuning')).toEqual([200, { object: 'octet.tuning', model: testModel, tuned: false }]);
    const loads = [
      { name: 'decode-1', defaultMs: 8, ratio: 0.8 },
      { name: 'prompt', defaultMs: 1, ratio: undefined },
    ];
    const at = '2026-11-26T04:00:00.000Z';
    await open({ tuning: { kind: 'tuned', at, settings: { threads: 4 }, overridden: ['microBatch'], loads } });
    const [, body] = await get('/v1/octet/tuning');
    expect(body).toMatchObject({ tuned: true, at, settings: { threads: 4 }, overridden: ['microBatch'] });
    expect(body).toMatchObject({ loads: [{ name: 'decode-1', default_ms: 8, ratio: 0.8 }, { ratio: null }] });
  });

  it('tells what was given up on the way', async () => {
    const kv = { k: 'q4_0', v: 'q4_0' } as const;
    const numbers = numbersOf(0.004, 0.96);
    const climbed = [{ kv, reason: 'too coarse', numbers: numbersOf(0.3) }];
    await open({ precision: { ...testPrecision, kvWished: kv, verdict: 'passed', numbers, isCached: true, climbed } });
    const [, body] = await get('/v1/octet/precision');
    expect(body).toMatchObject({
      kv_requested: kv,
      canary: {
        reference: 'f16 KV on the same weights',
        tokens: 3832,
        divergence: { mean: 0.004 },
        top_agreement: 0.96,
        flips: { gained: 12, lost: 10 },
        cached: true,
      },
      climbed: [{ kv, reason: 'too coarse', canary: { divergence: { mean: 0.3 } } }],
    });
  });
});

describe('probes', () => {
  it.each([
    [{ kind: 'ready' }, 200, { status: 'ready' }],
    [{ kind: 'loading', fraction: 0.5 }, 503, { status: 'loading', progress: 0.5 }],
    [{ kind: 'restarting', attempt: 2 }, 503, { status: 'restarting', attempt: 2 }],
    [{ kind: 'draining' }, 503, { status: 'draining' }],
    [{ kind: 'stopped' }, 503, { status: 'stopped' }],
  ] as const)('while the engine is %j', async (status, code, body) => {
    const { engine } = await open();
    engine.setStatus(status);
    expect(await get('/readyz')).toEqual([code, body]);
    expect(await get('/livez')).toEqual([200, { status: 'ok' }]);
    expect(await get('/health')).toEqual([200, { status: 'ok', engine: body }]);
  });

  it('tell versions and metrics', async () => {
    const { app } = await open();
    expect(await get('/version')).toEqual([200, { octet: '0.1.0' }]);
    const metrics = await app.inject('/metrics');
    expect([metrics.headers['content-type'], metrics.body]).toEqual(['text/plain; version=0.0.4', 'octet_up 1\n']);
    expect((await app.inject({ method: 'HEAD', url: '/health' })).statusCode).toBe(200);
  });
});

describe('models', () => {
  it('are listed and found by ids with slashes and colons, encoded or not', async () => {
    await open();
    const about = { object: 'model', created: 1_700_000_000, owned_by: 'octet', root: testModel, parent: null };
    const wire = (id: string) => ({ id, ...about });
    expect(await get('/v1/models')).toEqual([200, { object: 'list', data: [wire(testModel), wire('alias')] }]);
    expect(await get(`/v1/models/${testModel}`)).toEqual([200, wire(testModel)]);
    expect(await get(`/v1/models/${encodeURIComponent(testModel)}`)).toEqual([200, wire(testModel)]);
  });

  it('have adapters beside them, each with its file and its parent', async () => {
    await open({ adapters: ['sql'] });
    const wanted = { id: `${testModel}:sql`, root: 'sql.gguf', parent: testModel };
    expect(await get('/v1/models')).toMatchObject([200, { data: [{}, {}, wanted] }]);
    expect(await get(`/v1/models/${testModel}:sql`)).toMatchObject([200, wanted]);
    expect(await get(`/v1/models/${testModel}:other`)).toMatchObject([404, {}]);
  });

  it.each([
    ['/v1/chat/completions', { messages: [{ role: 'user', content: 'hi' }] }],
    ['/v1/completions', { prompt: 'hi' }],
  ])('named in %s are computed with their adapter, and answers carry the name', async (url, fields) => {
    const { app, engine } = await open({ adapters: ['sql', 'code'] });
    const names = [testModel, `${testModel}:code`, `${testModel}:sql`, undefined];
    const answered: unknown[] = [];
    for (const model of names) {
      const response = await app.inject({ method: 'POST', url, payload: { ...fields, model } });
      answered.push(response.json().model);
    }
    expect(answered).toEqual([testModel, `${testModel}:code`, `${testModel}:sql`, testModel]);
    expect(engine.commands.map(({ adapter }) => adapter)).toEqual([undefined, 'code', 'sql', undefined]);
    const refused = await app.inject({ method: 'POST', url, payload: { ...fields, model: 'sql' } });
    expect(refused.json().error.message).toBe(
      `model must be one of "${testModel}", "alias", "${testModel}:sql", "${testModel}:code". Given: "sql"`,
    );
  });
});

describe('request ids', () => {
  it.each([
    ['abc-123', 'abc-123'],
    ['a b', /^req-/],
    ['x'.repeat(129), /^req-/],
    ['é', /^req-/],
    ['', /^req-/],
  ])('%j becomes %s', async (given, expected) => {
    const { app } = await open();
    const response = await app.inject({ url: '/livez', headers: { 'x-request-id': given } });
    expect(response.headers['x-request-id']).toMatch(expected);
  });

  it('are on streams too', async () => {
    const { app } = await open();
    const response = await app.inject({
      method: 'POST',
      url: '/v1/completions',
      payload: { prompt: 'a', stream: true },
      headers: { 'x-request-id': 'mine' },
    });
    expect(response.headers['x-request-id']).toBe('mine');
  });
});

describe('CORS', () => {
  const preflight = {
    method: 'OPTIONS' as const,
    url: '/v1/chat/completions',
    headers: { origin: 'http://a.example', 'access-control-request-method': 'POST' },
  };

  it('is off unless asked for', async () => {
    const { app } = await open();
    expect((await app.inject(preflight)).statusCode).toBe(405);
  });

  it('answers preflights without a key and marks streams, for the origins given', async () => {
    const { app } = await open({ corsOrigins: ['http://a.example'], keyRing: { identify: (given) => given } });
    const answer = await app.inject(preflight);
    expect([answer.statusCode, answer.headers['access-control-allow-origin']]).toEqual([204, 'http://a.example']);
    const stream = await app.inject({
      method: 'POST',
      url: '/v1/completions',
      payload: { prompt: 'a', stream: true },
      headers: { origin: 'http://a.example', authorization: 'Bearer x' },
    });
    expect(stream.statusCode).toBe(200);
    expect(stream.headers['access-control-allow-origin']).toBe('http://a.example');
    const other = await app.inject({ ...preflight, headers: { ...preflight.headers, origin: 'http://b.example' } });
    expect(other.headers['access-control-allow-origin']).toBeUndefined();
  });
});

describe('the log', () => {
  async function logOf(options: TestAppOptions, payload: object): Promise<Record<string, unknown>[]> {
    const lines: string[] = [];
    const logger = pino({ level: 'trace' }, { write: (line: string) => void lines.push(line) });
    const { app } = await open({ ...options, logger });
    await app.inject({ method: 'POST', url: '/v1/completions', payload, headers: { 'x-request-id': 'r1' } });
    await app.inject({
      method: 'POST',
      url: '/v1/completions',
      payload: '{"prompt":"private prompt"',
      headers: { 'content-type': 'application/json' },
    });
    return lines.map((line) => JSON.parse(line));
  }
  const ask = { prompt: 'private prompt', user: 'ann' };

  it('tells what happened without a word of the prompt or the answer', async () => {
    for (const payload of [
      ask,
      { ...ask, stream: true },
      { ...ask, stop: ['private', 5] },
      { prompt: ['private', 1] },
    ]) {
      const lines = await logOf({}, payload);
      expect(lines.length).toBeGreaterThan(1);
      expect(JSON.stringify(lines)).not.toMatch(/private|answer"|the an/);
    }
  });

  it('has status, route and tokens under the request id', async () => {
    const lines = await logOf({}, ask);
    expect(lines).toContainEqual(
      expect.objectContaining({ reqId: 'r1', msg: 'answered', route: '/v1/completions', method: 'POST', status: 200 }),
    );
    expect(lines).toContainEqual(
      expect.objectContaining({
        reqId: 'r1',
        msg: 'generated',
        model: testModel,
        promptTokenCount: 14,
        generationTokenCount: 10,
      }),
    );
  });

  it('has both where the operator asks for them', async () => {
    const text = JSON.stringify(await logOf({ logPrompts: true }, ask));
    expect(text).toContain('private prompt');
    expect(text).toContain('the answer');
  });
});
