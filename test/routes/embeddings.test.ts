// /v1/embeddings, /v1/rerank and /v1/score over the real application, with an engine whose vectors the test knows.

import { afterEach, beforeEach, describe, expect, it, test } from 'vitest';
import type { EmbeddingCapacity } from '../../src/embedding-port.ts';
import { octetError } from '../../src/errors.ts';
import { fakeCapacity } from '../fakes/engine.ts';
import { buildTestApp, type TestApp, testModel } from '../fakes/http-app.ts';

let server: TestApp;
beforeEach(async () => {
  server = await buildTestApp();
});
afterEach(() => server.app.close());

async function post(url: string, payload: object) {
  const response = await server.app.inject({ method: 'POST', url, payload });
  return { status: response.statusCode, body: response.json(), headers: response.headers };
}
const embed = (payload: object) => post('/v1/embeddings', payload);

function makes(changes: Partial<EmbeddingCapacity>): void {
  const embedding = fakeCapacity.embedding;
  if (embedding?.kind !== 'on') throw new Error('the fake engine makes vectors');
  server.engine.setCapacity({ ...fakeCapacity, embedding: { ...embedding, ...changes } });
}
const inputTokens = () => server.engine.embedRequests.at(-1)?.inputs.map((tokens) => [...tokens]);
const bytes = (text: string) => [...Buffer.from(text)];

describe('/v1/embeddings', () => {
  it('answers in the form of OpenAI', async () => {
    // "ab" between the model's own tokens is 4 tokens: the fake answers 5, 6, 7, 8.
    const { status, body } = await embed({ model: testModel, input: 'ab' });
    expect(status).toBe(200);
    const length = Math.hypot(5, 6, 7, 8);
    expect(body).toEqual({
      object: 'list',
      data: [{ object: 'embedding', index: 0, embedding: [5, 6, 7, 8].map((value) => Math.fround(value / length)) }],
      model: testModel,
      usage: { prompt_tokens: 4, total_tokens: 4 },
    });
  });

  it.each([
    ['a string', 'hi', [[2, ...bytes('hi'), 3]]],
    [
      'strings',
      ['a', 'b'],
      [
        [2, 97, 3],
        [2, 98, 3],
      ],
    ],
    ['tokens, as they are', [5, 6], [[5, 6]]],
    ['lists of tokens', [[5], [6, 7]], [[5], [6, 7]]],
  ])('reads %s', async (_, input, expected) => {
    const { status, body } = await embed({ input });
    expect([status, inputTokens()]).toEqual([200, expected]);
    expect(body.data.map(({ index }: { index: number }) => index)).toEqual(expected.map((_each, index) => index));
  });

  it('reads 2,048 inputs', async () => {
    const { body } = await embed({ input: Array.from({ length: 2048 }, () => 'x') });
    expect(body.data).toHaveLength(2048);
    expect(body.usage.prompt_tokens).toBe(3 * 2048);
  });

  it('writes base64', async () => {
    const { body } = await embed({ input: [1], encoding_format: 'base64', normalize: false });
    const values = Buffer.from(body.data[0].embedding, 'base64');
    expect([0, 1, 2, 3].map((index) => values.readFloatLE(index * 4))).toEqual([2, 3, 4, 5]);
  });

  it.each([
    [{ dimensions: 2 }, [2 / Math.hypot(2, 3), 3 / Math.hypot(2, 3)]],
    [{ dimensions: 2, normalize: false }, [2, 3]],
    [{ embd_normalize: 1 }, [2, 3, 4, 5].map((value) => value / 14)],
    [{ embd_normalize: -1 }, [2, 3, 4, 5]],
  ])('%j', async (fields, expected) => {
    const { body } = await embed({ input: [1], ...fields });
    expect(body.data[0].embedding).toEqual(expected.map(Math.fround));
  });

  it.each([
    [{ truncate_prompt_tokens: 4 }, [2, ...bytes('he'), 3]],
    [{ truncate_prompt_tokens: 4, truncation_side: 'left' }, [2, ...bytes('lo'), 3]],
    [{ truncate_prompt_tokens: -1 }, [2, ...bytes('hello'), 3]],
    [{ add_special_tokens: false }, bytes('hello')],
  ])('%j', async (fields, expected) => {
    await embed({ input: 'hello', ...fields });
    expect(inputTokens()).toEqual([expected]);
  });

  it.each([
    [{}, 'input must be a string, a list of strings'],
    [{ input: [] }, 'input must be a string, a list of strings'],
    [{ input: '' }, 'input must make at least 1 token. Given: 0 tokens'],
    [{ input: ['a', ''] }, 'input.1 must make at least 1 token. Given: 0 tokens'],
    [{ input: [[1], []] }, 'input.1 must make at least 1 token'],
    [{ input: [1, 300] }, 'input.1 must be a token id < 257'],
    [{ input: [1, -1] }, 'input.1 must be a token id: an integer >= 0'],
    [
      { input: Array.from({ length: 2049 }, () => 'x') },
      'input must hold at most 2048 prompts. Given: an array of 2049',
    ],
    [{ input: 'x', dimensions: 5 }, 'dimensions must be <= 4, the values that the model'],
    [{ input: 'x', dimensions: 0 }, 'dimensions must be >= 1. Given: 0'],
    [{ input: 'x', encoding_format: 'int8' }, 'encoding_format must be one of "float", "base64". Given: "int8"'],
    [{ input: 'x', normalize: true, embd_normalize: -1 }, 'embd_normalize must agree with normalize (true). Given: -1'],
    [{ input: 'x', truncate_prompt_tokens: 0 }, 'truncate_prompt_tokens must be -1 or >= 1'],
  ])('refuses %j', async (payload, message) => {
    const { status, body } = await embed(payload);
    expect(status).toBe(400);
    expect(body.error.message).toContain(message);
    expect(server.engine.embedRequests).toHaveLength(0);
  });

  it('tells all faults of a body at once', async () => {
    const { body } = await embed({ input: 1, dimensions: -1, encoding_format: 'x' });
    expect(body.error.message).toMatch(/input .*; .*encoding_format .*dimensions/);
  });

  it('refuses an input that is longer than the model reads, with the limit', async () => {
    const { status, body } = await embed({ input: ['x', 'y'.repeat(1001)] });
    expect([status, body.error.code, body.error.param]).toEqual([400, 'context_length_exceeded', 'input.1']);
    expect(body.error.message).toContain('at most 1000 tokens. Given: input.1 with 1003 tokens');
  });

  it('answers what the engine refuses', async () => {
    server.engine.onEmbed(() => ({
      kind: 'failed',
      error: { ...octetError('queue_full', 'The queue is full'), retryAfterSeconds: 3 },
    }));
    const { status, headers } = await embed({ input: 'x' });
    expect([status, headers['retry-after']]).toEqual([429, '3']);
  });

  it('names a model that is not served, and an engine that makes no vectors', async () => {
    expect((await embed({ model: 'other', input: 'x' })).status).toBe(404);
    server.engine.setCapacity({
      ...fakeCapacity,
      embedding: { kind: 'off', reason: 'it was started with --pooling off' },
    });
    const { status, body } = await embed({ input: 'x' });
    expect([status, body.error.message]).toEqual([
      400,
      `model "${testModel}" makes no vectors: it was started with --pooling off`,
    ]);
  });

  it('passes the time limit on, and counts what it answered', async () => {
    await embed({ input: ['a', 'b'], timeout: 2 });
    expect(server.engine.embedRequests[0]?.timeLimit).toMatchObject({ limitMs: 2000, setBy: 'timeout' });
    expect(server.metricsCalls.filter(([name]) => name === 'onEmbedded')).toMatchObject([
      ['onEmbedded', { endpoint: 'embeddings', inputCount: 2, tokenCount: 6 }],
    ]);
  });
});

describe("llama-server's own form", () => {
  it('has a list of vectors for each text', async () => {
    const { body } = await post('/embedding', { content: [1], embd_normalize: -1 });
    expect(body).toEqual([{ index: 0, embedding: [[2, 3, 4, 5]] }]);
  });

  it('tells the vectors of all tokens where they are not pooled, which OpenAI has no form for', async () => {
    makes({ pooling: 'none', dimensionCount: 2 });
    expect((await post('/embedding', { content: [1] })).body).toEqual([
      {
        index: 0,
        embedding: [
          [2, 3],
          [4, 5],
        ],
      },
    ]);
    expect((await embed({ input: 'x' })).body.error.message).toContain('with --pooling none each token has a vector');
  });
});

describe('ranking', () => {
  const documents = ['bb', 'dddd', 'a', 'ccc'];
  beforeEach(() => {
    makes({ pooling: 'rank', dimensionCount: 1 });
    // The longer the pair, the better: a logit that grows with it.
    server.engine.onEmbed(({ inputs }) => ({
      kind: 'embedded',
      vectors: inputs.map(({ length }) => Float32Array.of(length - 6)),
    }));
  });

  it('sorts documents by what the head says, between 0 and 1', async () => {
    const { body } = await post('/v1/rerank', { query: 'q', documents, top_n: 3, return_documents: true });
    const sigmoid = (logit: number) => 1 / (1 + Math.exp(-logit));
    expect(body).toEqual({
      id: expect.stringMatching(/^rerank-/),
      object: 'list',
      model: testModel,
      usage: { prompt_tokens: 26, total_tokens: 26 },
      results: [
        { index: 1, relevance_score: sigmoid(2), document: { text: 'dddd' } },
        { index: 3, relevance_score: sigmoid(1), document: { text: 'ccc' } },
        { index: 0, relevance_score: 0.5, document: { text: 'bb' } },
      ],
    });
    expect(inputTokens()?.[0]).toEqual([2, 113, 3, 98, 98, 3]);
  });

  it.each(['/rerank', '/v2/rerank', '/reranking', '/v1/reranking'])('is found at %s too', async (url) => {
    const { body } = await post(url, { query: 'q', documents: [{ text: 'a' }, 'bbb'], raw_scores: true });
    expect(body.results).toEqual([
      { index: 1, relevance_score: 1 },
      { index: 0, relevance_score: -1 },
    ]);
  });

  it('answers `texts` in the form of Text Embeddings Inference', async () => {
    const { body } = await post('/rerank', { query: 'q', texts: ['a', 'bb'], return_text: true, raw_scores: true });
    expect(body).toEqual([
      { index: 1, score: 0, text: 'bb' },
      { index: 0, score: -1, text: 'a' },
    ]);
  });

  it.each([
    [{ text_1: 'q', text_2: ['a', 'bb'] }, [-1, 0]],
    [{ text_1: ['q', 'rr'], text_2: ['a', 'bb'] }, [-1, 1]],
    [{ queries: 'q', documents: 'bb' }, [0]],
  ])('scores %j', async (fields, scores) => {
    const { body } = await post('/v1/score', { ...fields, use_activation: false });
    expect(body).toMatchObject({ object: 'list', model: testModel, id: expect.stringMatching(/^score-/) });
    expect(body.data).toEqual(scores.map((score, index) => ({ index, object: 'score', score })));
  });

  it.each([
    ['truncate_prompt_tokens', { truncate_prompt_tokens: 5 }, [2, 113, 3, 100, 3]],
    ['max_tokens_per_doc', { max_tokens_per_doc: 2 }, [2, 113, 3, 100, 100, 3]],
  ])('%s shortens documents', async (_, fields, expected) => {
    await post('/v1/rerank', { query: 'q', documents: ['dddd'], ...fields });
    expect(inputTokens()).toEqual([expected]);
  });

  it.each([
    ['/v1/rerank', { documents }, 'query must be a string'],
    ['/v1/rerank', { query: 'q' }, 'documents must be given, or texts: exactly one of them. Given: nothing'],
    ['/v1/rerank', { query: 'q', documents: [] }, 'documents must be an array of 1 to 2048 entries'],
    [
      '/v1/rerank',
      { query: 'q', documents: [1] },
      'documents.0 must be a string, or an object with a string named text',
    ],
    ['/v1/rerank', { query: 'q', documents, top_n: 0 }, 'top_n must be >= 1. Given: 0'],
    ['/v1/rerank', { query: 'q', documents: ['x'.repeat(1000)] }, 'Given: documents.0 with 1004 tokens'],
    ['/v1/score', { text_1: 'q' }, 'text_1 must be given with text_2'],
    ['/score', { text_1: 'q', documents }, 'exactly one of the two pairs'],
    ['/score', { text_1: ['q', 'r'], text_2: documents }, 'text_1 must have one entry, or as many as text_2 (4)'],
  ])('%s refuses %j', async (url, payload, message) => {
    const { status, body } = await post(url, payload);
    expect(status).toBe(400);
    expect(body.error.message).toContain(message);
  });

  it('is no use for vectors, which the answer says', async () => {
    expect((await embed({ input: 'x' })).body.error.message).toContain('this model ranks (pooling rank: the file)');
  });
});

test.each([
  ['/v1/rerank', { query: 'q', documents: ['a'] }],
  ['/score', { text_1: 'q', text_2: 'a' }],
])('%s without a ranking head names the model and what is missing', async (url, payload) => {
  const { status, body } = await post(url, payload);
  expect([status, body.error.param]).toEqual([400, 'model']);
  expect(body.error.message).toContain(`model "${testModel}" cannot rank: it makes vectors (pooling mean: the file)`);
  expect(body.error.message).toContain('cls.weight or cls.output.weight');
});

test.each([
  ['/v1/completions', { prompt: 'x' }],
  ['/v1/chat/completions', { messages: [{ role: 'user', content: 'x' }] }],
])('%s is refused where the model generates nothing', async (url, payload) => {
  server.engine.setCapacity({ ...fakeCapacity, generationObstacle: 'bert has no decoder' });
  const { status, body } = await post(url, payload);
  expect([status, body.error.param]).toEqual([400, 'model']);
  expect(body.error.message).toContain('bert has no decoder');
});

test('an adapter makes no vectors, and is not passed over in silence', async () => {
  const { app } = await buildTestApp({ adapters: ['sql'] });
  const payload = { model: `${testModel}:sql`, input: 'a' };
  const response = await app.inject({ method: 'POST', url: '/v1/embeddings', payload });
  expect(response.statusCode).toBe(400);
  expect(response.json().error).toMatchObject({ param: 'model', message: expect.stringContaining('without adapters') });
  await app.close();
});
