// A few hundred requests drawn from the API's document, valid and broken, against the real server with the embedded model:
// each is answered as described, and nothing is left of them. `npm run bench -- fuzz` sends as many as one likes.

import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { leftoversOf } from '../../bench/fuzz/leftovers.ts';
import { fuzz } from '../../bench/fuzz/run.ts';
import { rankingModelPath } from '../ranking-models.ts';
import { type RunningServer, serverForTest, startServer } from './server.ts';

const requestCount = 400;

let server: RunningServer;
beforeAll(async () => {
  server = await startServer(['--context', '512', '--grammar-timeout-ms', '2000']);
});
afterAll(() => server.stop());

test(`${requestCount} generated requests are answered as described, and leave nothing behind`, async () => {
  const { faults, counts } = await fuzz({ url: server.url, requestCount, seed: 1, concurrency: 8, msMax: 60_000 });
  expect(faults.map(({ request, fault }) => `${request.method} ${request.path} ${request.body}: ${fault}`)).toEqual([]);
  // Both kinds reach what they are for.
  expect(counts['valid 200']).toBeGreaterThan(requestCount / 5);
  expect(counts['broken 400']).toBeGreaterThan(requestCount / 5);
  expect(counts['valid left']).toBeGreaterThan(0);
  expect(await leftoversOf(server.url)).toEqual([]);
  expect(server.logs.filter(({ level }) => level >= 50)).toEqual([]);
});

test('a model that only ranks answers as described, too', async () => {
  const ranker = await serverForTest(['--model', await rankingModelPath('bert-ranker'), '--gate', 'warn']);
  const { faults, answered } = await fuzz({
    url: ranker.url,
    requestCount,
    seed: 1,
    concurrency: 8,
    msMax: 60_000,
  });
  expect(faults.map(({ request, fault }) => `${request.method} ${request.path} ${request.body}: ${fault}`)).toEqual([]);
  for (const path of ['/v1/rerank', '/v1/score']) expect(answered[`POST ${path}`]).toBeGreaterThan(0);
  expect(await leftoversOf(ranker.url)).toEqual([]);
});

const examplesSchema = z.object({
  paths: z.record(
    z.string(),
    z.object({
      post: z
        .object({
          requestBody: z
            .object({
              content: z.record(
                z.string(),
                z.object({ examples: z.record(z.string(), z.object({ value: z.unknown() })) }),
              ),
            })
            .optional(),
        })
        .optional(),
    }),
  ),
});

/** The embedded model has no ranking head. */
const cannotRank = [400, expect.stringContaining('cannot rank')];

test("the document's examples are answered as they are", async () => {
  const { paths } = examplesSchema.parse(await (await fetch(`${server.url}/openapi.json`)).json());
  const examples = Object.entries(paths).flatMap(([path, { post }]) =>
    Object.values(post?.requestBody?.content['application/json']?.examples ?? {}).map(({ value }) => ({ path, value })),
  );
  expect(examples.length).toBeGreaterThan(8);
  for (const { path, value } of examples) {
    const response = await fetch(server.url + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(value),
    });
    const expected = /rerank|score/.test(path) ? cannotRank : [200, expect.any(String)];
    expect([response.status, await response.text()], path).toEqual(expected);
  }
});
