// What the fuzzer draws: values that a schema allows, bodies that are broken, the same ones for the same seed.

import { Ajv2020 } from 'ajv/dist/2020.js';
import fc from 'fast-check';
import type { FastifyInstance } from 'fastify';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { broken } from '../../../bench/fuzz/breakage.ts';
import { requestsOf } from '../../../bench/fuzz/requests.ts';
import { type NamedSchemas, valuesOf } from '../../../bench/fuzz/values.ts';
import { chatSchema } from '../../../src/routes/chat-schema.ts';
import { routeDescriptions } from '../../../src/routes/route-descriptions.ts';
import { isAt } from '../../../src/routes/route-path.ts';
import { buildTestApp } from '../../fakes/http-app.ts';

let app: FastifyInstance;
let document: unknown;
let schemas: NamedSchemas;
beforeAll(async () => {
  ({ app } = await buildTestApp());
  document = (await app.inject('/openapi.json')).json();
  const schema = z.looseObject({ components: z.object({ schemas: z.record(z.string(), z.looseObject({})) }) });
  schemas = schema.parse(document).components.schemas;
});
afterAll(() => app.close());

test('values are what their schema allows', () => {
  const ajv = new Ajv2020({ strict: false, validateFormats: false });
  ajv.addSchema({ $id: 'document', components: { schemas } });
  for (const name of ['ChatCompletionRequest', 'CompletionRequest', 'TokenizeRequest']) {
    const reference = `#/components/schemas/${name}`;
    const isAllowed = ajv.compile({ $ref: `document${reference}` });
    const values = fc.sample(valuesOf({ $ref: reference }, schemas), { numRuns: 40, seed: 7 });
    const wrong = values.filter((value) => !isAllowed(JSON.parse(JSON.stringify(value))));
    expect(wrong, JSON.stringify(isAllowed.errors)).toEqual([]);
  }
});

test('broken bodies mostly are', () => {
  const sound = fc.constant({ messages: [{ role: 'user', content: 'a' }], temperature: 0, max_tokens: 2 });
  const bodies = fc.sample(broken(sound), { numRuns: 300, seed: 3 });
  const accepted = bodies.filter((body) => chatSchema.safeParse(body).success);
  expect(accepted.length).toBeGreaterThan(0);
  expect(accepted.length).toBeLessThan(150);
});

test('requests go to every route, and are the same for the same seed', () => {
  const draw = (numRuns: number) => fc.sample(requestsOf(document), { numRuns, seed: 1 });
  expect(draw(50)).toEqual(draw(50));
  const requests = draw(1500);
  for (const name of Object.keys(routeDescriptions)) {
    const [method = '', url = ''] = name.split(' ');
    const sent = requests.filter(({ method: drawn, path }) => drawn === method && isAt(path.split('?')[0] ?? '', url));
    expect(sent.length, name).toBeGreaterThan(0);
  }
  // Few tokens, whatever was drawn.
  const most = requests.map(({ kind, body }) => {
    const parsed = z.looseObject({ max_tokens: z.number() }).safeParse(JSON.parse(body || '{}'));
    return kind === 'valid' && parsed.success ? parsed.data.max_tokens : 0;
  });
  expect(Math.max(...most)).toBeLessThanOrEqual(4);
});
