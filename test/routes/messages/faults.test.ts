// What the Messages API refuses: by Anthropic's names, in Anthropic's form, wherever it is found.

import { describe, expect, it } from 'vitest';
import { must } from '../../../src/assert.ts';
import type { OctetErrorBody } from '../../../src/errors.ts';
import { messagesErrorAnswer } from '../../../src/routes/answers/messages.ts';
import { createKeyRing } from '../../../src/server/auth.ts';
import { appOfEachTest } from '../../fakes/app-of-each-test.ts';
import { answerAllWith } from '../../fakes/engine.ts';
import { testModel } from '../../fakes/http-app.ts';

const { open, opened } = appOfEachTest();

interface Sent {
  readonly url?: string;
  readonly method?: 'GET' | 'POST';
  readonly headers?: Readonly<Record<string, string>>;
  readonly payload?: object | string;
}

async function send({ url = '/v1/messages', method = 'POST', headers = {}, payload }: Sent) {
  const { app } = opened();
  const response = await app.inject({
    method,
    url,
    headers: { 'content-type': 'application/json', ...headers },
    ...(payload === undefined ? {} : { payload }),
  });
  return { status: response.statusCode, headers: response.headers, text: response.body };
}

async function refused(sent: Sent) {
  const { status, headers, text } = await send(sent);
  const { error, request_id: id } = messagesErrorAnswer.parse(JSON.parse(text));
  expect([headers['request-id'], headers['x-request-id']]).toEqual([id, id]);
  return { status, ...error };
}

const valid = { model: testModel, max_tokens: 16, messages: [{ role: 'user', content: 'hello' }] };
const turns = (...messages: readonly object[]) => ({ messages: [{ role: 'user', content: 'hello' }, ...messages] });
const user = (...content: readonly object[]) => ({ role: 'user', content });
const assistant = (...content: readonly object[]) => ({ role: 'assistant', content });
const use = (id: string) => ({ type: 'tool_use', id, name: 'f', input: {} });
const result = (id: string) => ({ type: 'tool_result', tool_use_id: id, content: 'x' });
const tool = { name: 'f', input_schema: { type: 'object' } };

describe('a body', () => {
  it.each<[name: string, fields: object, message: string]>([
    ['without max_tokens', { max_tokens: undefined }, 'max_tokens must be a number. Given: nothing'],
    ['without a model', { model: undefined }, 'model must be a string. Given: nothing'],
    ['too hot', { temperature: 1.5 }, 'temperature must be <= 1. Given: 1.5'],
    [
      'with an image',
      turns(user({ type: 'image', source: { type: 'url', url: 'x' } })),
      'messages.1.content.0.type is not supported: this server takes text only. Given: "image"',
    ],
    [
      'with a document in a result',
      turns(assistant(use('a')), user({ ...result('a'), content: [{ type: 'document', source: {} }] })),
      'messages.2.content.0.content.0.type is not supported: this server takes text only. Given: "document"',
    ],
    [
      'with an unknown block',
      turns(user({ type: 'tex', text: '' })),
      'messages.1.content.0.type must be one of "text", "tool_result". Given: "tex"',
    ],
    ['with a block of no text', turns(user({ type: 'text' })), 'messages.1.content.0.text must be a string'],
    [
      'with a call by the user',
      turns(user(use('a'))),
      'messages.1.content.0.type must be one of "text", "tool_result". Given: "tool_use"',
    ],
    [
      'with a result of no call',
      turns(user(result('a'))),
      'messages.1.content.0.tool_use_id must be the id of a tool_use block in the turn before, answered once. Given: "a"',
    ],
    [
      'with a call that is answered twice',
      turns(assistant(use('a')), user(result('a'), result('a'))),
      'messages.2.content.1.tool_use_id must be the id of a tool_use block in the turn before, answered once. Given: "a"',
    ],
    [
      'with a call that is not answered',
      turns(assistant(use('a'), use('b')), user(result('b'))),
      'messages.1.content.0.id must be answered by a tool_result block in the next turn. Given: "a"',
    ],
    [
      'that ends with a call',
      turns(assistant(use('a'))),
      'messages.1.content.0.type must be "text" in a last turn of the assistant, which the answer goes on from',
    ],
    [
      'that ends with a space',
      turns(assistant({ type: 'text', text: 'So ' })),
      'messages.1.content must not end with white space in a last turn of the assistant',
    ],
    [
      'that thinks behind given words',
      { ...turns({ role: 'assistant', content: 'So' }), thinking: { type: 'enabled', budget_tokens: 8 } },
      "thinking.type is not allowed where the last turn is the assistant's",
    ],
    [
      'that thinks longer than it may',
      { thinking: { type: 'enabled', budget_tokens: 16 } },
      'thinking.budget_tokens must be < max_tokens (16). Given: 16',
    ],
    [
      'with a server tool',
      { tools: [{ type: 'web_search_20260318', name: 'web_search' }] },
      'tools.0.type must be "custom" or absent: this server runs no tools of its own',
    ],
    [
      'with a tool of no object',
      { tools: [{ name: 'f', input_schema: { type: 'string' } }] },
      'tools.0.input_schema.type must be "object"',
    ],
    ['with a tool twice', { tools: [tool, tool] }, 'tools.1.name must be the name of one tool only. Given: "f"'],
    [
      'that chooses another tool',
      { tools: [tool], tool_choice: { type: 'tool', name: 'g' } },
      'tool_choice.name must name one of the tools. Given: "g"',
    ],
    ['that must call nothing', { tool_choice: { type: 'any' } }, 'tool_choice is only allowed when tools are given'],
    [
      'with a choice of OpenAI',
      { tools: [tool], tool_choice: { type: 'required' } },
      'tool_choice.type must be one of "auto", "any", "tool", "none". Given: "required"',
    ],
    [
      'with a tool whose schema cannot be enforced',
      {
        tools: [{ ...tool, input_schema: { type: 'object', properties: { x: { format: 'nonsense' } } }, strict: true }],
        tool_choice: { type: 'any' },
      },
      'tools.0.input_schema.properties.x',
    ],
    [
      'with a format that cannot be enforced',
      { output_config: { format: { type: 'json_schema', schema: { type: 'object', unevaluatedItems: {} } } } },
      'output_config.format.schema',
    ],
    [
      'with a format of no schema',
      { output_config: { format: { type: 'json_schema' } } },
      'output_config.format.schema must be a JSON schema: an object. Given: nothing',
    ],
    [
      'with a tool that is found later',
      { tools: [{ ...tool, defer_loading: true }] },
      'tools.0.defer_loading is not supported: every tool is shown to the model. Given: true',
    ],
    [
      'with servers of tools',
      { mcp_servers: [{ url: 'x' }] },
      'mcp_servers is not supported: this server runs no tools',
    ],
    ['with half a character', { system: '\ud800' }, 'system must be well-formed Unicode'],
  ])('%s', async (_, fields, message) => {
    const { engine } = await open();
    answerAllWith(engine, 'x');
    const error = await refused({ payload: { ...valid, ...fields } });
    expect(error).toMatchObject({ status: 400, type: 'invalid_request_error' });
    expect(error.message).toContain(message);
    expect(engine.commands).toEqual([]);
  });

  it('has all its faults named at once', async () => {
    await open();
    const { message } = await refused({ payload: { ...valid, max_tokens: -1, top_k: 1.5, speed: 'fast' } });
    expect(message.split('; ').map((sentence) => sentence.split(' ', 1)[0])).toEqual(['max_tokens', 'top_k', 'speed']);
  });

  it('may have what asks for nothing', async () => {
    const { engine } = await open();
    answerAllWith(engine, 'x');
    const ephemeral = { type: 'ephemeral' };
    const payload = {
      ...valid,
      cache_control: ephemeral,
      tools: [{ ...tool, type: 'custom', cache_control: ephemeral, allowed_callers: ['direct'], defer_loading: false }],
      speed: 'standard',
      container: null,
      system: null,
      thinking: null,
      tool_choice: null,
      service_tier: 'auto',
    };
    expect((await send({ payload, headers: { 'anthropic-version': '2023-06-01' } })).status).toBe(200);
  });
});

it('a conversation with calls, results and questions is answered', async () => {
  const { engine } = await open();
  answerAllWith(engine, 'x');
  const earlier = [assistant(use('a'), use('b')), user(result('b'), result('a')), assistant(use('a'))];
  const conversation = turns(...earlier, user(result('a')), user({ type: 'text', text: 'So?' }));
  expect((await send({ payload: { ...valid, ...conversation } })).status).toBe(200);
});

describe('an error', () => {
  it('before the route has its form: key, JSON, size, method, path', async () => {
    await open({ keyRing: must(createKeyRing(['sesame']), 'a ring'), bodyBytesMax: 200 });
    const key = { 'x-api-key': 'sesame' };
    expect(await refused({ payload: valid })).toMatchObject({ status: 401, type: 'authentication_error' });
    expect(await refused({ payload: '{', headers: key })).toMatchObject({
      status: 400,
      type: 'invalid_request_error',
      details: { error_code: 'invalid_json' },
    });
    expect(await refused({ payload: { x: 'x'.repeat(300) }, headers: key })).toMatchObject({ status: 413 });
    expect(await refused({ method: 'GET', headers: key })).toMatchObject({ status: 405 });
    expect(await refused({ url: '/v1/messages/batches', headers: key })).toMatchObject({
      status: 404,
      type: 'not_found_error',
    });
    expect(await refused({ url: '/v1/messages/count_tokens?beta=true', payload: {} })).toMatchObject({ status: 401 });
  });

  it('of a key is met by either header', async () => {
    const { engine } = await open({ keyRing: must(createKeyRing(['sesame']), 'a ring') });
    answerAllWith(engine, 'x');
    for (const headers of [{ 'x-api-key': 'sesame' }, { authorization: 'Bearer sesame' }]) {
      expect((await send({ payload: valid, headers })).status).toBe(200);
    }
    expect(await refused({ payload: valid, headers: { 'x-api-key': 'other' } })).toMatchObject({ status: 401 });
  });

  it('on other paths keeps the form of OpenAI', async () => {
    await open();
    for (const url of ['/v1/messagesx', '/v1/chat/completions']) {
      const { text, headers } = await send({ url, payload: {} });
      expect(JSON.parse(text)).toEqual({ error: expect.objectContaining({ code: expect.any(String) }) });
      expect(headers['request-id']).toBeUndefined();
    }
  });

  it.each<[error: OctetErrorBody, status: number, type: string]>([
    [{ code: 'queue_full', message: 'full', param: null, retryAfterSeconds: 3 }, 429, 'rate_limit_error'],
    [{ code: 'shutting_down', message: 'bye', param: null }, 503, 'overloaded_error'],
    [{ code: 'deadline_exceeded', message: 'late', param: null }, 408, 'timeout_error'],
    [{ code: 'internal_error', message: 'bug', param: null }, 500, 'api_error'],
  ])('of the engine has its type: $code', async (error, status, type) => {
    const { engine } = await open();
    engine.refuseWith(error);
    for (const stream of [false, true]) {
      expect(await refused({ payload: { ...valid, stream } })).toMatchObject({ status, type, message: error.message });
    }
  });

  it('of a prompt that does not fit says so in the words that agents look for', async () => {
    await open();
    const payload = { ...valid, messages: [{ role: 'user', content: 'x'.repeat(5000) }] };
    expect((await refused({ payload })).message).toMatch(/^prompt is too long: .*4096 tokens.*5007 tokens/);
  });

  it('of an unknown model is a 404', async () => {
    await open();
    for (const url of ['/v1/messages', '/v1/messages/count_tokens']) {
      expect(await refused({ url, payload: { ...valid, model: 'other' } })).toMatchObject({
        status: 404,
        type: 'not_found_error',
      });
    }
  });
});
