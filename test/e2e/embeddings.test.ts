// Vectors through OpenAI's own client from the real server: whole, in batches, beside a stream, across an engine's death.

import type OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import reference from '../fixtures/embeddings/reference.json' with { type: 'json' };
import { rankingModelPath } from '../ranking-models.ts';
import { openStream, textOf } from './client.ts';
import { openClient } from './openai.ts';
import { type RunningServer, serverForTest, startServer } from './server.ts';
import { eventually, pause } from './waiting.ts';

const model = 'octet-demo-f16';
const { texts, mean } = reference.demo;

let server: RunningServer;
let client: OpenAI;
beforeAll(async () => {
  // The log then tells when a request is there.
  server = await startServer(['--log-prompts']);
  client = openClient(server.url);
});
afterAll(() => server.stop());

function cosine(a: readonly number[], b: readonly number[]): number {
  const dot = (x: readonly number[], y: readonly number[]) =>
    x.reduce((sum, value, at) => sum + value * (y[at] ?? 0), 0);
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
}
const vectorsOf = ({ data }: OpenAI.CreateEmbeddingResponse) => data.map(({ embedding }) => embedding);

async function metric(name: string): Promise<number> {
  const text = await (await fetch(`${server.url}/metrics`)).text();
  const line = text.split('\n').find((each) => each.startsWith(`${name} `));
  return Number(line?.slice(name.length + 1));
}

/** Texts that are all different, and many. */
const manyTexts = (count: number) =>
  Array.from({ length: count }, (_, index) => `Number ${index} is written on a lamp by the river. `.repeat(4));

describe('the official client', () => {
  test('gets vectors as it asks by default, in base64, and as numbers', async () => {
    // The client decodes base64 by itself unless a format is named.
    const decoded = await client.embeddings.create({ model, input: texts });
    const written = await client.embeddings.create({ model, input: texts, encoding_format: 'float' });
    expect(decoded).toMatchObject({ object: 'list', model, usage: { prompt_tokens: 70, total_tokens: 70 } });
    for (const [index, vector] of vectorsOf(decoded).entries()) {
      expect(vector).toHaveLength(512);
      expect(Math.hypot(...vector)).toBeCloseTo(1, 5);
      expect(vector).toEqual(vector.map(Math.fround));
      // Not equal: how many tokens are computed together depends on the time they take, and rounding on that.
      expect(cosine(vector, vectorsOf(written)[index] ?? [])).toBeGreaterThan(0.9999);
      expect(cosine(vector.slice(0, 32), mean[index] ?? [])).toBeGreaterThan(0.9995);
    }
  });

  test('gets as many values as it wants', async () => {
    const [text = ''] = texts;
    const [whole = []] = vectorsOf(await client.embeddings.create({ model, input: text }));
    const [cut = []] = vectorsOf(await client.embeddings.create({ model, input: text, dimensions: 64 }));
    expect(cut).toHaveLength(64);
    expect(Math.hypot(...cut)).toBeCloseTo(1, 5);
    expect(cosine(cut, whole.slice(0, 64))).toBeCloseTo(1, 6);
    await expect(client.embeddings.create({ model, input: text, dimensions: 513 })).rejects.toMatchObject({
      status: 400,
      param: 'dimensions',
      message: expect.stringContaining('dimensions must be <= 512'),
    });
  });

  test('may send tokens', async () => {
    const [text = ''] = texts;
    const response = await fetch(`${server.url}/tokenize`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ prompt: text }),
    });
    const { tokens } = (await response.json()) as { tokens: number[] };
    const [one = []] = vectorsOf(await client.embeddings.create({ model, input: text }));
    const same = vectorsOf(await client.embeddings.create({ model, input: [tokens, tokens.slice(0, 4)] }));
    expect(cosine(same[0] ?? [], one)).toBeGreaterThan(0.9999);
    expect(cosine(same[1] ?? [], one)).toBeLessThan(0.99);
  });

  test('is told what is wrong', async () => {
    await expect(client.embeddings.create({ model, input: 'lamp '.repeat(3000) })).rejects.toMatchObject({
      status: 400,
      code: 'context_length_exceeded',
      message: expect.stringContaining('at most 2048 tokens'),
    });
    await expect(client.embeddings.create({ model, input: '' })).rejects.toMatchObject({ status: 400 });
    await expect(client.embeddings.create({ model: 'other', input: 'x' })).rejects.toMatchObject({ status: 404 });
    await expect(client.post('/rerank', { body: { query: 'q', documents: ['a'] } })).rejects.toMatchObject({
      status: 400,
      message: expect.stringContaining('model "octet-demo-f16" cannot rank'),
    });
  });
});

test('a stream beside a large batch goes on meanwhile, with the same text', async () => {
  const body = { model, prompt: 'Once upon a time', temperature: 0, max_tokens: 200, ignore_eos: true };
  const alone = await textOf(server.url, body);
  const input = manyTexts(60);
  await client.embeddings.create({ model, input: 'warm' });
  const stream = openStream(server.url, body);
  await eventually('it streams', () => stream.text() !== '');
  const before = stream.text().length;
  const beside = await client.embeddings.create({ model, input });
  const during = stream.text().length - before;
  const { text, kind } = await stream.ended;
  expect([kind, text]).toEqual(['complete', alone]);
  // Half of the time is the stream's: tens of tokens, of several characters each.
  expect(during).toBeGreaterThan(100);
  const [first = []] = vectorsOf(await client.embeddings.create({ model, input: input.slice(0, 1) }));
  expect(cosine(vectorsOf(beside)[0] ?? [], first)).toBeGreaterThan(0.999);
});

test('a client that leaves frees the engine', async () => {
  const name = 'octet_choices_cancelled_total{reason="client-gone"}';
  const cancelled = await metric(name);
  const controller = new AbortController();
  const earlier = server.logs.length;
  const leaving = client.embeddings.create({ model, input: manyTexts(400) }, { signal: controller.signal });
  void server.logged('prompt', earlier).then(() => controller.abort());
  await expect(leaving).rejects.toThrow();
  await client.embeddings.create({ model, input: 'next' });
  expect(await metric(name)).toBe(cancelled + 1);
});

test('an engine that dies in the middle costs time, not the answer', async () => {
  const input = manyTexts(60);
  const expected = vectorsOf(await client.embeddings.create({ model, input: input.slice(0, 3) }));
  const earlier = server.logs.length;
  let isAnswered = false;
  const answering = client.embeddings.create({ model, input }).finally(() => {
    isAnswered = true;
  });
  await server.logged('prompt', earlier);
  await pause(100);
  expect(isAnswered).toBe(false);
  process.kill(server.enginePid(), 'SIGKILL');
  const vectors = vectorsOf(await answering);
  expect(vectors).toHaveLength(60);
  for (const [index, vector] of expected.entries()) expect(cosine(vectors[index] ?? [], vector)).toBeGreaterThan(0.999);
  expect(await metric('octet_engine_restarts_total')).toBe(1);
});

test('a model that only ranks is served, and says what it cannot do', async () => {
  const ranker = await serverForTest(['--model', await rankingModelPath('bert-ranker'), '--gate', 'warn']);
  const own = openClient(ranker.url);
  const { query, documents } = reference.ranking;
  const body = { query, documents, top_n: 2, return_documents: true, raw_scores: true };
  const ranked = await own.post('/rerank', { body });
  expect(ranked).toMatchObject({
    results: [
      { index: 3, relevance_score: expect.closeTo(2.336, 2), document: { text: documents[3] } },
      { index: 1, relevance_score: expect.closeTo(2.126, 2) },
    ],
    usage: { prompt_tokens: 65, total_tokens: 65 },
  });
  const scored = await own.post('/score', { body: { text_1: query, text_2: documents } });
  expect(scored).toMatchObject({
    data: [0.876, 0.893, 0.89, 0.912].map((score) => ({ score: expect.closeTo(score, 2) })),
  });
  const messages = [{ role: 'user' as const, content: 'x' }];
  await expect(own.chat.completions.create({ model: 'bert-ranker', messages })).rejects.toMatchObject({
    status: 400,
    param: 'model',
    message: expect.stringContaining('it has no decoder to generate text'),
  });
});
