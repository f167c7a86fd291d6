// Four thousand malformed requests over real connections: each refused with OpenAI's error, none a fault of the server,
// and nothing of them left behind.

import { connect } from 'node:net';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { textOf } from './client.ts';
import { brokenConnection, type MalformedRequest, malformedRequest } from './malformed-requests.ts';
import { idle, metric } from './metrics.ts';
import { type RunningServer, startServer, tinyModel } from './server.ts';

const requestCount = 3000;
const connectionCount = 1000;
const concurrency = 16;
const seed = 1;
const json = 'application/json';

const refusalSchema = z.object({
  error: z.object({ message: z.string().min(1), type: z.string(), param: z.string().nullable(), code: z.string() }),
});

let server: RunningServer;
beforeAll(async () => {
  // A short context, so that damaged bytes that happen to be a request cost little.
  server = await startServer(['--model', tinyModel, '--kv', 'f16', '--context', '64']);
});
afterAll(() => server.stop());

/** Calls `act` on every item, a few at a time. */
async function each<Item>(items: readonly Item[], act: (item: Item) => Promise<void>): Promise<void> {
  const rest = items.values();
  const worker = async (): Promise<void> => {
    for (const item of rest) await act(item);
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
}

async function send({ path, body, contentType, statuses }: MalformedRequest): Promise<number> {
  const response = await fetch(server.url + path, { method: 'POST', headers: { 'content-type': contentType }, body });
  const text = await response.text();
  const told = `${path} ${body.toString('latin1', 0, 300)} -> ${response.status} ${text.slice(0, 300)}`;
  expect(response.status, told).toBeLessThan(500);
  if (statuses !== undefined) expect(statuses, told).toContain(response.status);
  if (response.status !== 200) expect(refusalSchema.safeParse(JSON.parse(text)).success, told).toBe(true);
  return response.status;
}

/** Writes the bytes, says that nothing more comes, and answers what the server said before it closed. */
function converse(bytes: Buffer): Promise<string> {
  const { hostname, port } = new URL(server.url);
  return new Promise((resolve) => {
    const socket = connect({ host: hostname, port: Number(port) }, () => socket.end(bytes));
    let answer = '';
    socket.setEncoding('latin1');
    socket.on('data', (piece: string) => {
      answer += piece;
    });
    socket.on('error', () => undefined);
    socket.on('close', () => resolve(answer));
  });
}

const serverFaults = async (): Promise<number> =>
  metric(server.url, 'octet_requests_rejected_total{code="internal_error"}');

test(`${requestCount} malformed bodies are refused, with their reason`, async () => {
  const counts = new Map<number, number>();
  await each(fc.sample(malformedRequest, { numRuns: requestCount, seed }), async (request) => {
    const status = await send(request);
    counts.set(status, (counts.get(status) ?? 0) + 1);
  });
  // Some damaged bytes are requests after all: the generator must not be far off the mark in either direction.
  expect(counts.get(400)).toBeGreaterThan(requestCount * 0.8);
  expect(counts.get(200) ?? 0).toBeLessThan(requestCount * 0.1);
});

test(`${connectionCount} broken connections are closed, and none is answered with a 5xx`, async () => {
  await each(fc.sample(brokenConnection, { numRuns: connectionCount, seed }), async (bytes) => {
    const answer = await converse(bytes);
    expect(answer, bytes.toString('latin1', 0, 300)).not.toMatch(/^HTTP\/1\.1 5/m);
    if (answer !== '') expect(answer, bytes.toString('latin1', 0, 300)).toMatch(/^HTTP\/1\.1 [24]\d\d /);
  });
});

test('a body over the limit is refused by its length alone, and one at the limit for what is in it', async () => {
  const counter = 'octet_requests_rejected_total{code="body_too_large"}';
  const before = await metric(server.url, counter);
  const over = Buffer.from(JSON.stringify({ prompt: 'x'.repeat(11 * 2 ** 20) }));
  // The server need not read what it refuses: a client that is still writing then may find the connection closed.
  const answer = await send({ path: '/v1/completions', body: over, contentType: json, statuses: [413] }).catch(String);
  expect([413, 'TypeError: fetch failed']).toContain(answer);
  expect(await metric(server.url, counter)).toBe(before + 1);
  const within = Buffer.from(JSON.stringify({ prompt: 'x'.repeat(10 * 2 ** 20 - 100) }));
  await send({ path: '/v1/completions', body: within, contentType: json, statuses: [400] });
});

test('the server is as before', async () => {
  expect(await serverFaults()).toBe(0);
  const metrics = await idle(server.url);
  expect(metrics.get('octet_engine_restarts_total')).toBe(0);
  expect(await textOf(server.url, { prompt: 'Once upon a time', temperature: 0, max_tokens: 5 })).not.toBe('');
  expect(server.logs.filter(({ level }) => level >= 50)).toEqual([]);
});
