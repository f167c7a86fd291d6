// Schemas are read off the thread that answers HTTP, by every route that takes one: a schema of a few hundred characters may
// take a second, and streams must not wait for it.

import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { answerAllWith } from '../fakes/engine.ts';
import { buildTestApp, type TestApp } from '../fakes/http-app.ts';

// The other thread runs the built program, which this does not reach.
vi.mock('../../src/grammar/lower-rule.ts', () => ({
  lowerRule: () => {
    throw new Error('lowered on the thread that answers HTTP');
  },
}));

let test: TestApp;
beforeAll(async () => {
  test = await buildTestApp();
  answerAllWith(test.engine, '{}');
});
afterAll(() => test.app.close());

const messages = [{ role: 'user', content: 'hello' }];
/** Of its own: one that another route asked for is kept. */
const schemaOf = (url: string) => ({ type: 'object', properties: { [url]: { type: 'integer' } } });
const chat = (schema: object) => ({ messages, guided_json: schema });
const response = (schema: object) => ({
  input: 'hello',
  text: { format: { type: 'json_schema', name: 'n', schema } },
});
const message = (schema: object) => ({
  model: 'alias',
  messages,
  output_config: { format: { type: 'json_schema', schema } },
});

it.each<[url: string, bodyOf: (schema: object) => object]>([
  ['/v1/chat/completions', chat],
  ['/v1/completions', (schema) => ({ prompt: 'hello', guided_json: schema })],
  ['/v1/responses', response],
  ['/v1/responses/input_tokens', response],
  ['/v1/messages', (schema) => ({ ...message(schema), max_tokens: 9 })],
  ['/v1/messages/count_tokens', message],
  ['/tokenize', chat],
  ['/apply-template', chat],
])('%s', async (url, bodyOf) => {
  const answer = await test.app.inject({ method: 'POST', url, payload: bodyOf(schemaOf(url)) });
  expect([answer.statusCode, answer.json()]).toEqual([200, expect.anything()]);
});
